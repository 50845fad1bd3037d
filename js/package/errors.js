// The errors. Each class has the name of one of the library's kinds of errors.

export class WgpuRnnError extends Error {
  constructor(kind, message, subject = null) {
    super(message);
    // Not the name of the class, which a bundler may shorten.
    this.name = `${kind.replace(/(^|-)(\w)/g, (_, dash, letter) => letter.toUpperCase())}Error`;
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
