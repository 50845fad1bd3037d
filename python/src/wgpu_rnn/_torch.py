"""Weights of torch's modules. This module does not import torch: it only reads what it is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._native import Weights
from .errors import ConfigError, WeightsError

_CELLS = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru", "RNNCell": "rnn", "LSTMCell": "lstm", "GRUCell": "gru"}


def weights_of(module: Any) -> tuple[Weights, bool]:
    """Returns the weights of a module or a stack of modules, and whether its layout has the time first."""
    if (name := _kind(module)) is None:
        return _stack(module)
    config = _config(module, name)
    return Weights.from_arrays(config, _parameters(module, config)), not getattr(module, "batch_first", False)


def _kind(module: Any) -> str | None:
    """Returns the name of the torch class that a module is or derives from."""
    for base in type(module).__mro__:
        if base.__name__ in _CELLS and base.__module__.startswith("torch."):
            return base.__name__
    return None


def _config(module: Any, name: str) -> dict[str, Any]:
    config = {
        "cell": _CELLS[name],
        "input_size": module.input_size,
        "hidden_size": module.hidden_size,
        "bias": bool(module.bias),
        "nonlinearity": getattr(module, "nonlinearity", "tanh"),
    }
    if not name.endswith("Cell"):
        config["num_layers"] = module.num_layers
        config["bidirectional"] = module.bidirectional
        config["proj_size"] = module.proj_size
    return config


def _parameters(module: Any, config: dict[str, Any]) -> list[Any]:
    """Returns a module's parameters in PyTorch's order. getattr also computes those of torch's parametrizations."""
    stems = ["weight_ih", "weight_hh"]
    stems += ["bias_ih", "bias_hh"] if config["bias"] else []
    if "num_layers" not in config:
        return [getattr(module, stem) for stem in stems]
    stems += ["weight_hr"] if config["proj_size"] else []
    ends = ["", "_reverse"] if config["bidirectional"] else [""]
    layers = range(config["num_layers"])
    return [getattr(module, f"{stem}_l{layer}{end}") for layer in layers for end in ends for stem in stems]


def _stack(modules: Any) -> tuple[Weights, bool]:
    expected = "expected a torch.nn.RNN, LSTM or GRU, one of their cells, or a stack of them"
    if not isinstance(modules, Iterable):
        raise TypeError(f"module: {expected}, found {type(modules).__name__}")
    layers = [module for module in modules if not type(module).__name__.startswith("Dropout")]
    if not layers:
        raise TypeError(f"module: {expected}, found no modules")
    for module in layers:
        if _kind(module) is None:
            raise TypeError(f"module: {expected}, found {type(module).__name__} in the stack")
    configs = [_config(module, _kind(module) or "") for module in layers]
    config = {**configs[0], "num_layers": sum(config.get("num_layers", 1) for config in configs)}
    _check_stack(configs)
    if len({getattr(module, "batch_first", False) for module in layers}) > 1:
        raise ConfigError("batch_first: expected one layout for the whole stack, found both")
    arrays = [array for module, own in zip(layers, configs) for array in _parameters(module, own)]
    return Weights.from_arrays(config, arrays), not getattr(layers[0], "batch_first", False)


def _check_stack(configs: list[dict[str, Any]]) -> None:
    first = configs[0]
    output = (first.get("proj_size") or first["hidden_size"]) * (2 if first.get("bidirectional") else 1)
    for place, config in enumerate(configs[1:], 1):
        for key in ["cell", "hidden_size", "bias", "nonlinearity", "bidirectional", "proj_size"]:
            if config.get(key) != first.get(key):
                raise WeightsError(
                    f"module {place} of the stack: expected {key}={first.get(key)} like module 0, found {config.get(key)}; "
                    "make a Layer of each module instead"
                )
        if config["input_size"] != output:
            raise WeightsError(f"module {place} of the stack: expected input_size={output}, found {config['input_size']}")
