/** What an error is about; each kind has a class and a remedy. */
export type ErrorKind =
  | "config"
  | "tensor"
  | "file"
  | "input"
  | "device"
  | "too-large"
  | "out-of-memory"
  | "device-lost"
  | "timeout"
  | "driver"
  | "disposed";

/** The base class of every error of this package. The message says what was checked, expected and found. */
export class WgpuRnnError extends Error {
  protected constructor(kind: ErrorKind, message: string, subject?: string | null);
  readonly kind: ErrorKind;
  /** The argument, parameter or tensor that the error is about, such as `"h_0"`, if it is about one. */
  readonly subject: string | null;
}

/** An option is wrong, or the layer cannot do what was asked of it. */
export class ConfigError extends WgpuRnnError {}
/** A tensor of a file is missing or unexpected, or has the wrong shape, type or values. */
export class TensorError extends WgpuRnnError {}
/** The contents of a file violate its format. */
export class FileError extends WgpuRnnError {}
/** An argument of a call is wrong: the input, the state, the lengths or the rows. */
export class InputError extends WgpuRnnError {}
/** There is no GPU, or it lacks what is needed. */
export class DeviceError extends WgpuRnnError {}
/** A buffer would be larger than the GPU allows. Fewer rows or steps in a call may help. */
export class TooLargeError extends WgpuRnnError {}
/** The GPU or WebAssembly lacks the memory for a call. */
export class OutOfMemoryError extends WgpuRnnError {}
/** The GPU was lost. A new layer opens it again. */
export class DeviceLostError extends WgpuRnnError {}
/** The GPU did not answer in time. Browsers have no such limit. */
export class TimeoutError extends WgpuRnnError {}
/** WebGPU refused a call: a defect of this package or of the driver. */
export class DriverError extends WgpuRnnError {}
/** The layer or session was disposed of before the call. */
export class DisposedError extends WgpuRnnError {}
