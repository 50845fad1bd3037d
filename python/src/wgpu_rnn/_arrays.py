"""Conversion of arrays that are not NumPy arrays of float32."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ShapeError

_ACCEPTED = "a float32, float64 or float16 array"


def as_f32(name: str, value: Any) -> tuple[npt.NDArray[np.float32], bool]:
    """Returns the values as an aligned float32 array, and whether they were not an array of NumPy.

    float64 and float16 values are rounded to the nearest float32. Other element types are refused: integers and
    bytes usually mean that a step of preparation was forgotten.
    """
    own = isinstance(value, np.ndarray)
    array = value if own else _foreign(name, value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name}: expected {_ACCEPTED}, found {array.dtype}")
    with np.errstate(over="ignore"):
        return np.require(array, np.float32, "A"), not own and not is_arrow(value)


def _foreign(name: str, value: Any) -> npt.NDArray[Any]:
    """Returns a view of another library's array, by DLPack or Arrow, or converts nested lists."""
    if is_arrow(value):
        return _arrow(value)
    if hasattr(value, "__dlpack__"):
        return _tensor(name, value)
    return np.asarray(value, dtype=None if hasattr(value, "__array__") else np.float32)


def _tensor(name: str, value: Any) -> npt.NDArray[Any]:
    if hasattr(value, "detach"):  # torch refuses to export a tensor that requires a gradient
        value = value.detach()
    device = value.__dlpack_device__()[0]
    if int(device) != 1:  # kDLCPU
        raise TypeError(f"{name}: expected a tensor in host memory, found one on another device; call .cpu() first")
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        found = getattr(value, "dtype", type(value))
        raise TypeError(f"{name}: expected {_ACCEPTED}, found {found}; convert it first") from error


def is_arrow(value: Any) -> bool:
    """Returns whether a value is an array or a column of Arrow."""
    return hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__")


def _arrow(value: Any) -> npt.NDArray[Any]:
    """Returns fixed-size lists of Arrow as an array: one more dimension for each level of lists."""
    import pyarrow as pa

    array = value if isinstance(value, (pa.Array, pa.ChunkedArray)) else pa.array(value)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    shape = [len(array)]
    while pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        if array.null_count:
            raise ShapeError("arrow: expected lists without nulls, found some")
        shape.append(size)
        array = array.flatten()
    if array.null_count:
        raise ShapeError("arrow: expected values without nulls, found some")
    if not pa.types.is_floating(array.type):
        raise TypeError(f"arrow: expected fixed-size lists of floats, found {value.type}")
    values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=True)
    return values.reshape(shape)


def like(model: Any, result: npt.NDArray[np.float32]) -> Any:
    """Returns a result as the library of ``model`` holds arrays: a tensor of torch for a tensor of torch."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.Tensor):
        return torch.from_numpy(result)
    return result
