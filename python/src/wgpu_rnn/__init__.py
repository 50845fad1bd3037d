"""Recurrent layers (RNN, LSTM, GRU) for inference, with PyTorch's semantics, on any GPU and on the CPU.

>>> import numpy as np
>>> import wgpu_rnn
>>> layer = wgpu_rnn.Layer.seeded("lstm", 40, 64, bidirectional=True)
>>> output, (h_n, c_n) = layer(np.zeros((8, 100, 40), np.float32))  # [N, T, I]: the batch is first
>>> output.shape, h_n.shape
((8, 100, 128), (2, 8, 64))
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from . import _native, errors
from ._native import Device, Session, Weights, devices
from .errors import (
    ConfigError,
    DeviceError,
    DeviceLost,
    DeviceTimeout,
    FileFormatError,
    ForkError,
    OutOfMemory,
    ShapeError,
    TooLarge,
    WeightsError,
    WgpuRnnError,
)

__all__ = [
    "ConfigError",
    "Device",
    "DeviceError",
    "DeviceLost",
    "DeviceTimeout",
    "FileFormatError",
    "ForkError",
    "Layer",
    "OutOfMemory",
    "Session",
    "ShapeError",
    "TooLarge",
    "Weights",
    "WeightsError",
    "WgpuRnnError",
    "devices",
    "errors",
]

File = str | os.PathLike[str] | bytes


class Layer(_native.Layer):
    """A recurrent layer that is ready to run.

    Arguments, all by name:

    - ``device``: ``"auto"`` (the GPU if it pays, else the CPU), ``"cpu"``, ``"gpu"`` (the best adapter),
      ``"gpu:1"`` (an index of :func:`devices`), ``"name:TEXT"``, ``"pci:0000:65:00.0"``, or ``"reference"`` (float64,
      slow). The device is opened at the first call, in the process that computes.
    - ``time_first``: whether input and output are ``[T, N, …]``. The default is ``[N, T, …]``, which PyTorch calls
      ``batch_first=True``. :meth:`from_torch` keeps the module's layout.
    - ``threads``: threads of a call on the CPU. The default is the least of the cores, the quota of the cgroup and
      ``OMP_NUM_THREADS``.
    - ``precision``: ``"f32"`` or ``"f16"``, the type in which the weights are stored.
    - ``strategy``: ``"auto"``, ``"step"``, ``"hoisted-step"`` or ``"scan"``: how a GPU divides a call.
    - ``measure``: whether the first call with a shape on a GPU measures the fastest plan.
    - ``budget``: bytes that a call on a GPU may use beyond weights, input, output and state.
    - ``timeout``: seconds to wait for a GPU.

    A layer may be used by several threads at the same time. It can be pickled and copied: the copy carries the weights
    and the arguments, and opens its device where it lands.
    """

    _options: dict[str, Any]

    def __init__(self, weights: Weights, **options: Any) -> None:
        self._options = options  # the native half reads them in `__new__`

    @classmethod
    def seeded(
        cls,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        seed: int = 0,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        bidirectional: bool = False,
        proj_size: int = 0,
        **options: Any,
    ) -> Layer:
        """Returns a layer with the weights of ``torch.manual_seed(seed)`` and PyTorch's constructor, bit for bit.

        ``cell`` is ``"rnn"``, ``"lstm"`` or ``"gru"``. ``options`` are the arguments of :class:`Layer`.

        >>> Layer.seeded("gru", 4, 8, num_layers=2, device="cpu").config["num_layers"]
        2
        """
        config = {
            "cell": cell,
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "nonlinearity": nonlinearity,
            "bias": bias,
            "bidirectional": bidirectional,
            "proj_size": proj_size,
        }
        return cls(Weights.seeded(config, seed), **options)

    @classmethod
    def from_torch(cls, module: Any, **options: Any) -> Layer:
        """Returns the layer of a ``torch.nn.RNN``, ``LSTM``, ``GRU``, of one of their cells, or of a stack of them.

        A stack is an ``nn.Sequential``, an ``nn.ModuleList`` or a list: one-layer modules of one kind and one hidden
        size, each of which reads the output of the one before. Dropout modules between them are left out. The layout
        is the module's: without ``batch_first=True``, input and output are ``[T, N, …]``. Parameters are copied.
        """
        from . import _torch

        weights, time_first = _torch.weights_of(module)
        options.setdefault("time_first", time_first)
        return cls(weights, **options)

    @classmethod
    def from_state_dict(cls, tensors: dict[str, Any], *, prefix: str | None = None,
                        nonlinearity: Literal["tanh", "relu"] | None = None, **options: Any) -> Layer:
        """Returns the layer among a state dict's tensors; ``prefix`` chooses one of several, such as ``"encoder."``."""
        return cls(Weights.from_state_dict(tensors, prefix, nonlinearity), **options)

    @classmethod
    def from_file(
        cls,
        file: File,
        *,
        layers: str | Sequence[str] = (),
        nonlinearity: Literal["tanh", "relu"] | None = None,
        reverse: bool = False,
        **options: Any,
    ) -> Layer:
        """Returns the layer in a file (a path, or the file's bytes), whose first bytes show its format.

        It may be safetensors, npz, a file of ``torch.save`` or a TorchScript archive, a Keras model (``.keras``, ``.h5``,
        ``.weights.h5``), or an ONNX model. Nothing in it is executed, and neither torch nor Keras is needed.

        ``layers`` names the layer if the file has several: the prefix of its tensors, such as ``"encoder."``, the name of
        a Keras layer, or of an ONNX node. Several names are a stack, the lowest layer first. A state dict does not say
        whether an RNN has ReLU (``nonlinearity``) or a layer runs backwards (``reverse``).
        """
        names = [layers] if isinstance(layers, str) else list(layers)
        return cls(Weights.from_file(_bytes(file), names, nonlinearity, reverse), **options)

    async def forward_async(self, x: Any, state: Any = None, lengths: Any = None, *, out: Any = None) -> Any:
        """Like a call, for asyncio: a thread of the event loop's pool computes, and the loop goes on."""
        return await asyncio.to_thread(self, x, state, lengths, out=out)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.weights, self._options)


def _rebuild(cls: type[Layer], weights: Weights, options: dict[str, Any]) -> Layer:
    return cls(weights, **options)


def _bytes(file: File) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()
