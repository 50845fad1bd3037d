"""The exceptions of wgpu_rnn. All of them can be pickled, so that they reach the driver of a cluster."""


class WgpuRnnError(Exception):
    """The base class of every exception of this package."""


class ShapeError(WgpuRnnError, ValueError):
    """An array, a state, a length or a row does not fit the layer."""


class ConfigError(WgpuRnnError, ValueError):
    """An option has a value that it cannot have."""


class WeightsError(WgpuRnnError, ValueError):
    """Parameters are missing, do not fit together, or hold values that a layer cannot have."""


class FileFormatError(WgpuRnnError, ValueError):
    """A file is broken or is not of the expected format."""


class ForkError(WgpuRnnError, RuntimeError):
    """The process is a fork of one that already used this package."""


class OutOfMemory(WgpuRnnError, MemoryError):
    """The device or the host lacks the memory for a call."""


class DeviceError(WgpuRnnError, RuntimeError):
    """There is no such device, it cannot run the kernels, or its driver refused a call."""


class DeviceLost(DeviceError):
    """The device was lost. Pickle and unpickle the layer, or make a new one, to open a device again."""


class DeviceTimeout(DeviceError, TimeoutError):
    """The device did not answer within the layer's ``timeout``."""


class TooLarge(DeviceError):
    """A buffer or a grid would be larger than the device allows."""
