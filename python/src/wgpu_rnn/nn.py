"""Drop-in replacements of torch's recurrent modules for inference. Importing this module needs torch.

>>> import torch
>>> from wgpu_rnn import nn
>>> trained = torch.nn.LSTM(40, 64, batch_first=True)
>>> fast = nn.LSTM(40, 64, batch_first=True, layer_options={"device": "cpu"})
>>> _ = fast.load_state_dict(trained.state_dict())
>>> output, (h_n, c_n) = fast(torch.zeros(8, 100, 40))
>>> output.shape
torch.Size([8, 100, 64])

The classes derive from torch's, so constructors, ``state_dict`` and ``repr`` are torch's own, and wrong arguments raise
torch's exceptions. ``forward`` computes with a :class:`wgpu_rnn.Layer`, and its results carry no gradient.
``layer_options`` are the keyword arguments of that layer. A change of the parameters is noticed at the next call.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from . import Layer

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"]


class _Inference(torch.nn.Module):
    """Keeps a layer with a module's parameters."""

    def __init__(self, *args: Any, layer_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._layer_options = layer_options or {}
        self._layer: Layer | None = None
        self._seen: tuple[Any, ...] = ()

    def _prepared(self) -> Layer:
        """Returns the layer for the parameters as they are now."""
        seen = tuple((parameter.data_ptr(), parameter._version) for parameter in self.parameters())
        if self._layer is None or seen != self._seen:
            self._layer = Layer.from_torch(self, **self._layer_options)
            self._seen = seen
        return self._layer


def _check_gradient(value: torch.Tensor) -> None:
    if torch.is_grad_enabled() and value.requires_grad:
        raise RuntimeError("wgpu_rnn.nn computes no gradients: expected an input without requires_grad, found one with it")


class _Sequences(_Inference):
    """What RNN, LSTM and GRU share."""

    def forward(self, input: Any, hx: Any = None) -> Any:  # noqa: A002 (torch's name)
        """Computes what torch's module computes in ``eval()`` and ``torch.no_grad()``."""
        base: Any = self
        if base.training and base.dropout > 0 and base.num_layers > 1:
            raise RuntimeError("wgpu_rnn.nn is for inference: expected a module after .eval(), found one that drops out")
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        _check_gradient(input)
        if input.dim() not in (2, 3):
            raise ValueError(f"{base.mode}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        self._check(input, hx)
        return self._prepared()(input, hx)

    def _packed(self, packed: PackedSequence, hx: Any) -> Any:
        base: Any = self
        _check_gradient(packed.data)
        base.check_input(packed.data, packed.batch_sizes)
        if hx is not None:
            base.check_forward_args(packed.data, hx, packed.batch_sizes)
        padded, lengths = pad_packed_sequence(packed, batch_first=base.batch_first)
        output, state = self._prepared()(padded, hx, lengths)
        in_any_order = packed.sorted_indices is not None
        result = pack_padded_sequence(output, lengths, batch_first=base.batch_first, enforce_sorted=not in_any_order)
        return result, state

    def _check(self, value: torch.Tensor, hx: Any) -> None:
        """Checks the arguments with torch's own functions."""
        base: Any = self
        batched = value.dim() == 3
        parts = () if hx is None else hx if base.mode == "LSTM" else (hx,)
        for part in parts:
            if part.dim() != value.dim():
                kind = "batched" if batched else "unbatched"
                expected = f"For {kind} {value.dim()}-D input, hx should also be {value.dim()}-D"
                raise RuntimeError(f"{expected} but got {part.dim()}-D tensor")
        lift = (lambda part: part) if batched else (lambda part: part.unsqueeze(1))
        batch = value if batched else value.unsqueeze(0 if base.batch_first else 1)
        base.check_input(batch, None)
        if hx is not None:
            lifted = tuple(map(lift, parts))
            base.check_forward_args(batch, lifted if base.mode == "LSTM" else lifted[0], None)


class _Cells(_Inference):
    """What the three cells share."""

    def forward(self, input: torch.Tensor, hx: Any = None) -> Any:  # noqa: A002 (torch's name)
        """Computes one step ``[N, I]`` or ``[I]``, as torch's cell does in ``torch.no_grad()``."""
        _check_gradient(input)
        has_cell_state = isinstance(self, torch.nn.LSTMCell)
        parts = () if hx is None else tuple(hx) if has_cell_state else (hx,)
        self._check(input, parts)
        batched = input.dim() == 2
        lift = (lambda part: part.unsqueeze(0)) if batched else (lambda part: part.reshape(1, 1, -1))
        lifted = tuple(map(lift, parts))
        state = None if hx is None else lifted if has_cell_state else lifted[0]
        _, last = self._prepared()(lift(input), state)
        lower = (lambda part: part[0]) if batched else (lambda part: part[0, 0])
        return tuple(map(lower, last)) if has_cell_state else lower(last)

    def _check(self, value: torch.Tensor, parts: tuple[torch.Tensor, ...]) -> None:
        base: Any = self
        name = type(self).__name__
        if value.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {value.dim()}D instead")
        for place, part in enumerate(parts):
            if part.dim() not in (1, 2):
                what = f"hx[{place}]" if len(parts) > 1 else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {part.dim()}D instead")
        if value.size(-1) != base.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {value.size(-1)} expected {base.input_size}")
        batch = value.size(0) if value.dim() == 2 else 1
        for place, part in enumerate(parts):
            rows = part.size(0) if part.dim() == 2 else 1
            if rows != batch:
                raise RuntimeError(f"Input batch size {batch} doesn't match hidden{place} batch size {rows}")
            if part.size(-1) != base.hidden_size:
                found = f"got {part.size(-1)}, expected {base.hidden_size}"
                raise RuntimeError(f"hidden{place} has inconsistent hidden_size: {found}")


class RNN(_Sequences, torch.nn.RNN):
    """``torch.nn.RNN`` for inference."""


class LSTM(_Sequences, torch.nn.LSTM):
    """``torch.nn.LSTM`` for inference."""


class GRU(_Sequences, torch.nn.GRU):
    """``torch.nn.GRU`` for inference."""


class RNNCell(_Cells, torch.nn.RNNCell):
    """``torch.nn.RNNCell`` for inference."""


class LSTMCell(_Cells, torch.nn.LSTMCell):
    """``torch.nn.LSTMCell`` for inference."""


class GRUCell(_Cells, torch.nn.GRUCell):
    """``torch.nn.GRUCell`` for inference."""
