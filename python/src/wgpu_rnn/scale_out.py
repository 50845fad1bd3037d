"""What a worker of Ray, Spark, Daft or Dask needs: sequences of different lengths in, one vector for each out.

>>> import wgpu_rnn
>>> from wgpu_rnn.scale_out import Embedder
>>> embedder = Embedder(wgpu_rnn.Layer.seeded("lstm", 2, 4, device="cpu"))
>>> embedder([[1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], []]).shape  # sequences of 1, 3 and 0 steps
(3, 4)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import Layer
from ._arrays import is_arrow
from .errors import ConfigError, ShapeError

__all__ = ["Embedder", "assigned_device"]


class Embedder:
    """Computes the final hidden state of the last layer for sequences of different lengths.

    Sequences are sorted by length and computed in batches of at most ``rows`` rows and ``steps`` padded steps, so that
    little is computed for padding and the memory of a call is bounded. The result of a sequence does not depend on the
    others: on the CPU it has the same bits in every batch and every process. On a GPU this holds for one ``strategy``.
    """

    def __init__(self, layer: Layer, *, rows: int = 64, steps: int = 16384) -> None:
        self.layer = layer
        self.rows = rows
        self.steps = steps

    def __call__(self, sequences: Any) -> npt.NDArray[np.float32]:
        """Returns ``[rows, D*H_out]``: the forward direction's final state, then the reverse one's.

        ``sequences`` is a column of Arrow with lists of float32, or a sequence of arrays or lists. Each list holds the
        ``T*I`` values of one sequence, one step after the other. A sequence may be empty: its result is zero.
        """
        flat, ends = _flatten(sequences)
        size = self.layer.config["input_size"]
        counts = np.diff(ends)
        if (wrong := np.flatnonzero(counts % size)).size:
            found = int(counts[wrong[0]])
            raise ShapeError(f"sequence {int(wrong[0])}: expected a multiple of input_size {size} values, found {found}")
        lengths = counts // size
        result = np.zeros((len(lengths), self._width()), np.float32)
        for batch in self._batches(lengths):
            result[batch] = self._run(flat, ends, lengths, batch)
        return result

    def _width(self) -> int:
        config = self.layer.config
        width: int = (config["proj_size"] or config["hidden_size"]) * (2 if config["bidirectional"] else 1)
        return width

    def _batches(self, lengths: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Returns the places of the sequences of each batch; empty sequences are in none."""
        batches: list[list[int]] = []
        longest = 0
        for place in np.argsort(lengths, kind="stable")[::-1].tolist():
            if lengths[place] == 0:
                break
            last = batches[-1] if batches else []
            if not last or len(last) == self.rows or (len(last) + 1) * longest > self.steps:
                batches.append([])
                longest = int(lengths[place])
            batches[-1].append(place)
        return [np.array(batch) for batch in batches]

    def _run(
        self,
        flat: npt.NDArray[np.float32],
        ends: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        batch: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        size = self.layer.config["input_size"]
        steps = lengths[batch]
        padded = np.zeros((len(batch), int(steps.max()), size), np.float32)
        for row, place in enumerate(batch.tolist()):
            padded[row, : lengths[place]] = flat[ends[place] : ends[place + 1]].reshape(-1, size)
        if self.layer.time_first:
            padded = padded.swapaxes(0, 1)
        _, state = self.layer(padded, lengths=steps)
        h_n: npt.NDArray[np.float32] = state[0] if isinstance(state, tuple) else state
        directions = 2 if self.layer.config["bidirectional"] else 1
        return np.concatenate(list(h_n[-directions:]), axis=1)


def _flatten(sequences: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Returns the values of all sequences, and where each begins and the last one ends."""
    if is_arrow(sequences):
        return _flatten_arrow(sequences)
    arrays: Sequence[npt.NDArray[np.float32]] = [np.asarray(one, np.float32).ravel() for one in sequences]
    ends = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
    return np.concatenate([np.empty(0, np.float32), *arrays]), ends


def _flatten_arrow(column: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count:
        raise ShapeError("sequences: expected lists without nulls, found some")
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    values = column.flatten()
    if values.null_count:
        raise ShapeError("sequences: expected values without nulls, found some")
    flat = values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return flat, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def assigned_device(default: str = "auto") -> str:
    """Returns the ``device`` of the GPU that a scheduler assigned to this process, or ``default``.

    Ray and Slurm assign NVIDIA's GPUs through ``CUDA_VISIBLE_DEVICES``, which Vulkan and DX12 do not read: without this
    function, every process takes the same adapter. It asks ``nvidia-smi`` for the PCI bus id of the first assigned GPU.
    An empty ``CUDA_VISIBLE_DEVICES`` means that no GPU was assigned: the result is then ``"cpu"``.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return default
    first = visible.split(",")[0].strip()
    if first in ("", "-1"):
        return "cpu"
    command = ["nvidia-smi", "--query-gpu=index,uuid,pci.bus_id", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"CUDA_VISIBLE_DEVICES={visible}: expected nvidia-smi to list the GPUs, found: {error}") from error
    for line in listed.splitlines():
        index, uuid, bus = (field.strip() for field in line.split(","))
        if first == index or uuid.startswith(first):
            return f"pci:{bus}"
    raise ConfigError(f"CUDA_VISIBLE_DEVICES={visible}: expected one of the GPUs of nvidia-smi, found none:\n{listed}")
