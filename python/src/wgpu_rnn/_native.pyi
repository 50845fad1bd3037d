"""The native half of the package. Arrays that a function takes are NumPy arrays, tensors of torch (or whatever speaks
DLPack), fixed-size lists of Arrow, or nested lists."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_F32 = npt.NDArray[np.float32]
_F64 = npt.NDArray[np.float64]

class Device:
    """An adapter of this machine."""

    index: Final[int]
    """The index for ``device="gpu:INDEX"``."""
    name: Final[str]
    """The adapter's name."""
    backend: Final[str]
    """The API: ``vulkan``, ``metal`` or ``dx12``."""
    kind: Final[str]
    """``discrete``, ``integrated``, ``virtual``, ``software`` or ``other``."""
    driver: Final[str]
    """The driver's name and version."""
    pci_bus_id: Final[str]
    """The PCI bus id, such as ``0000:65:00.0``; empty if the driver does not report it."""

def devices() -> list[Device]:
    """Returns the adapters of this machine, hardware before software."""

class Weights:
    """The configuration and the parameters of a layer. Immutable; can be pickled and compared."""

    @staticmethod
    def seeded(config: dict[str, Any], seed: int) -> Weights:
        """Returns the parameters that ``torch.manual_seed(seed)`` and PyTorch's constructor give, bit for bit."""
    @staticmethod
    def from_arrays(config: dict[str, Any], arrays: Sequence[Any]) -> Weights:
        """Reads the parameters in PyTorch's order: for each layer and direction ``weight_ih``, ``weight_hh``, then the
        biases and the projection if the configuration has them."""
    @staticmethod
    def from_state_dict(
        tensors: dict[str, Any], prefix: str | None = None, nonlinearity: str | None = None
    ) -> Weights:
        """Reads the parameters by PyTorch's names. Other tensors are ignored."""
    @staticmethod
    def from_file(
        data: bytes, layers: Sequence[str] = ..., nonlinearity: str | None = None, reverse: bool = False
    ) -> Weights:
        """Reads the bytes of a file, whose first bytes show its format. ``layers`` names the layer, or those of a stack."""
    @property
    def config(self) -> dict[str, Any]:
        """The configuration: PyTorch's arguments, and what ONNX's operators add to them."""
    def state_dict(self) -> dict[str, _F32]:
        """Returns copies of the parameters by PyTorch's names, in PyTorch's order."""
    def tolerance(
        self, x: Any, state: Any = None, lengths: Iterable[int] | None = None, precision: str = "f32"
    ) -> tuple[_F64, _F64, _F64 | None]:
        """Returns how far each element of a float32 result may be from the exact one: ``(output, h_n, c_n)``,
        batch-first."""
    def to_safetensors(self) -> bytes:
        """Returns a safetensors file with PyTorch's names."""

class Session:
    """The states of R live streams, which stay on the layer's device. Calls from several threads run one after the other."""

    @property
    def rows(self) -> int:
        """R, the number of streams."""
    def push(
        self,
        x: Any,
        rows: Sequence[int] | None = None,
        lengths: Iterable[int] | None = None,
        *,
        out: _F32 | None = None,
    ) -> Any:
        """Computes the next steps of all rows, or of the M listed ones: ``[M, T, I]`` to ``[M, T, H_out]``. For one row
        ``[T, I]`` is accepted, too. A failed call leaves every state unchanged."""
    def state(self) -> Any:
        """Returns the state of all rows: ``h_n [L, R, H_out]``, or ``(h_n, c_n)`` for an LSTM."""
    def set_state(self, state: Any, rows: Sequence[int] | None = None) -> None:
        """Sets the state of all rows, or of the listed ones. An LSTM takes ``(h_0, c_0)``."""
    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Sets the state of all rows, or of the listed ones, to zero."""

class Layer:
    """A recurrent layer. :class:`wgpu_rnn.Layer` extends it with what reads weights."""

    def __new__(
        cls,
        weights: Weights,
        *,
        device: str = "auto",
        time_first: bool = False,
        threads: int | None = None,
        precision: str = "f32",
        strategy: str = "auto",
        measure: bool = False,
        budget: int | None = None,
        timeout: float | None = None,
    ) -> Layer: ...
    def __call__(
        self, x: Any, state: Any = None, lengths: Iterable[int] | None = None, *, out: _F32 | None = None
    ) -> tuple[Any, Any]:
        """Runs the layer over a batch ``[N, T, I]`` or one sequence ``[T, I]``.

        Returns ``(output, h_n)``, or ``(output, (h_n, c_n))`` for an LSTM: ``[N, T, D*H_out]``, ``[L*D, N, H_out]`` and
        ``[L*D, N, H]``. ``state`` is the initial state in the same form; zero by default. ``lengths`` has each row's
        number of steps, in any order; the output is zero past them. ``out`` is an array that takes the output. The
        results are NumPy arrays, or tensors of torch if ``x`` is one. The GIL is released during the call.
        """
    def session(self, rows: int) -> Session:
        """Starts a session of ``rows`` live streams with the state zero."""
    def open(self, batch: int = 1, steps: int = 1) -> None:
        """Opens the device and prepares the layer now, not at the first call. ``"auto"`` chooses for that shape."""
    @property
    def device(self) -> str | None:
        """The device that the layer runs on; ``None`` before the first call."""
    @property
    def config(self) -> dict[str, Any]:
        """The configuration: PyTorch's arguments, and what ONNX's operators add to them."""
    @property
    def weights(self) -> Weights:
        """The weights."""
    @property
    def time_first(self) -> bool:
        """Whether input and output are ``[T, N, …]``."""
