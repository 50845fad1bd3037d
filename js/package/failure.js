// Errors from their kinds, and from what WebAssembly throws.

import * as errors from "./errors.js";

const CLASSES = {
  config: errors.ConfigError,
  tensor: errors.TensorError,
  file: errors.FileError,
  input: errors.InputError,
  device: errors.DeviceError,
  "too-large": errors.TooLargeError,
  "out-of-memory": errors.OutOfMemoryError,
  "device-lost": errors.DeviceLostError,
  timeout: errors.TimeoutError,
  driver: errors.DriverError,
  disposed: errors.DisposedError,
};

/** An error of a kind. */
export function failure(kind, message, subject = null) {
  return new CLASSES[kind](kind, message, subject);
}

/** The error for what WebAssembly threw: of a class here if it is the library's, else the same. */
export function translated(core, thrown) {
  if (!(thrown instanceof core.Failure)) return thrown;
  const { kind, message, subject } = thrown;
  thrown.free();
  return failure(kind, message, subject ?? null);
}

/** The result of a call into WebAssembly. */
export function attempt(core, call) {
  try {
    return call();
  } catch (thrown) {
    throw translated(core, thrown);
  }
}
