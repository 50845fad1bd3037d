// The errors. Each class has the name of one of the library's kinds of errors.

export class WgpuRnnError extends Error {
  constructor(kind, message, subject = null) {
    super(message);
    this.name = new.target.name;
    this.kind = kind;
    this.subject = subject;
  }
}

export class ConfigError extends WgpuRnnError {}
export class TensorError extends WgpuRnnError {}
export class FileError extends WgpuRnnError {}
export class InputError extends WgpuRnnError {}
export class DeviceError extends WgpuRnnError {}
export class TooLargeError extends WgpuRnnError {}
export class OutOfMemoryError extends WgpuRnnError {}
export class DeviceLostError extends WgpuRnnError {}
export class TimeoutError extends WgpuRnnError {}
export class DriverError extends WgpuRnnError {}
export class DisposedError extends WgpuRnnError {}

const CLASSES = {
  config: ConfigError,
  tensor: TensorError,
  file: FileError,
  input: InputError,
  device: DeviceError,
  "too-large": TooLargeError,
  "out-of-memory": OutOfMemoryError,
  "device-lost": DeviceLostError,
  timeout: TimeoutError,
  driver: DriverError,
  disposed: DisposedError,
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
