"""Writes weights of Keras' recurrent layers, and what Keras computes of them.

    python generate.py OUT_DIR        # needs keras 3, numpy, safetensors; no backend but NumPy

NAME.safetensors has the weights under the names that Keras gives them (`weight.path`), and one call of the layers: `input`
[N, T, I], `mask` as `lengths` [N], `initial_state` as `h_0` [L*D, N, H] and `c_0`, all in f32, and the results in f64:
`sequences`, with return_sequences=True, in Keras' order, `last`, with return_sequences=False, and the states in this
library's order as `h_n_f64` [L*D, N, H] and `c_n_f64`. The layers compute in f64 from weights that are f32 numbers.

The metadata have what the weights do not tell, under Keras' names: `layers` (comma-separated), `activation`,
`recurrent_activation`, `reset_after`, `go_backwards`; and as `config` what the layer is here.
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "numpy"

import keras
import numpy as np
from keras.layers import GRU, LSTM, RNN, Bidirectional, Dense, LSTMCell, SimpleRNN
from safetensors.numpy import save_file

N, T, I, H = 3, 6, 4, 5
OUT = pathlib.Path(sys.argv[1])
keras.config.set_floatx("float64")
rng = np.random.default_rng(6)


def draw(*shape, scale=1.0):
    """Values that f32 can hold, as f64."""
    return rng.uniform(-scale, scale, shape).astype(np.float32).astype(np.float64)


def has_cell_state(layer):
    """Whether a layer is of LSTM cells."""
    layer = layer.forward_layer if isinstance(layer, Bidirectional) else layer
    return isinstance(layer, LSTM) or isinstance(layer.cell, keras.layers.StackedRNNCells)


def states_of(layer, states):
    """The hidden states and the cell states of a layer, one for each direction or cell."""
    if isinstance(getattr(layer, "cell", None), keras.layers.StackedRNNCells):
        states = [state for pair in states for state in pair]
    states = [np.asarray(state) for state in states]
    return (states[::2], states[1::2]) if has_cell_state(layer) else (states, [])


def save(name, config, stack, extra=(), lengths=None, given=False, rename=lambda path: path, **metadata):
    """Builds the layers, draws their weights, and calls them one after the other."""
    x = draw(N, T, I, scale=2.0)
    mask = None if lengths is None else np.arange(T) < np.array(lengths)[:, None]
    arrays, values, hs, cs, h_0, c_0 = {"input": x.astype(np.float32)}, x, [], [], [], []
    for layer in stack:
        layer.build(values.shape)
        for weight in layer.weights:
            weight.assign(draw(*weight.shape, scale=0.7))
            arrays[rename(weight.path)] = np.asarray(weight).astype(np.float32)
        initial = None
        if given:
            kinds = 2 if has_cell_state(layer) else 1
            initial = [draw(N, H) for _ in range(kinds * (2 if isinstance(layer, Bidirectional) else 1))]
            h_0, c_0 = ([*old, *new] for old, new in zip((h_0, c_0), states_of(layer, initial)))
        below = values
        values, *states = layer(below, mask=mask, **({"initial_state": initial} if given else {}))
        values = np.asarray(values)
        h, c = states_of(layer, states)
        hs, cs = hs + h, cs + c
    top = stack[-1]
    for inner in [top] + ([top.forward_layer, top.backward_layer] if isinstance(top, Bidirectional) else []):
        # With it a masked last step gives zeros in place of the last valid vector.
        inner.return_sequences = inner.zero_output_for_mask = False
    last, *_ = top(below, mask=mask, **({"initial_state": initial} if given else {}))
    arrays |= {"sequences": values, "last": np.asarray(last), "h_n_f64": np.stack(hs)}
    if cs:
        arrays["c_n_f64"] = np.stack(cs)
    if h_0:
        arrays["h_0"] = np.stack(h_0).astype(np.float32)
    if c_0:
        arrays["c_0"] = np.stack(c_0).astype(np.float32)
    if lengths is not None:
        arrays["lengths"] = np.array(lengths, dtype=np.int64)
    for layer in extra:
        layer.build(values.shape)
        arrays |= {weight.path: np.asarray(weight).astype(np.float32) for weight in layer.weights}
    metadata = {key: str(value) for key, value in metadata.items()} | {"config": config, "keras": keras.__version__}
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, OUT / f"{name}.safetensors", metadata)


ALL = dict(return_sequences=True, return_state=True)
MASKED = ALL | dict(zero_output_for_mask=True)
LENGTHS = [4, 6, 1]


def keras_2(path):
    """The name that Keras 2 gives a weight, whose cells are numbered on."""
    return path.replace("_cell/", "_cell_7/" if "backward" in path else "_cell_6/") + ":0"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    save("lstm", f"LSTM({I}, {H})", [LSTM(H, **ALL)], given=True)
    save("lstm_no_bias", f"LSTM({I}, {H}, bias=False)", [LSTM(H, use_bias=False, **ALL)])
    save("lstm_mask", f"LSTM({I}, {H})", [LSTM(H, **MASKED)], lengths=LENGTHS, rename=keras_2)
    save("lstm_go_backwards", f"LSTM({I}, {H}, reverse=True)", [LSTM(H, go_backwards=True, **ALL)], go_backwards=True)
    save(
        "lstm_activations",
        f"LSTM({I}, {H}, activations=[HardSigmoid(0.16666667, 0.5), Softsign, Softsign])",
        [LSTM(H, activation="softsign", recurrent_activation="hard_sigmoid", **ALL)],
        activation="softsign",
        recurrent_activation="hard_sigmoid",
    )
    bidirectional = [Bidirectional(LSTM(H, **ALL), name="both")]
    save("lstm_bidirectional", f"LSTM({I}, {H}, bidirectional=True)", bidirectional, given=True)
    save(
        "lstm_stacked",
        f"LSTM({I}, {H}, num_layers=2, bidirectional=True)",
        [Bidirectional(LSTM(H, **MASKED), name="upper_1"), Bidirectional(LSTM(H, **MASKED), name="upper_0")],
        extra=[Dense(2, name="head"), GRU(2, name="other")],
        lengths=LENGTHS,
        rename=keras_2,
        layers="upper_1,upper_0",
    )
    cells = RNN([LSTMCell(H), LSTMCell(H)], name="cells", **ALL)
    stacked = "cells/stacked_rnn_cells/lstm_cell"
    found = {"layers": f"{stacked},{stacked}_1"}
    save("lstm_cells", f"LSTM({I}, {H}, num_layers=2)", [cells], **found)
    save("gru", f"GRU({I}, {H})", [GRU(H, **ALL)], given=True)
    save("gru_reset_before", f"GRU({I}, {H}, reset_after=False)", [GRU(H, reset_after=False, **ALL)], given=True)
    no_bias = dict(use_bias=False) | ALL
    save("gru_no_bias", f"GRU({I}, {H}, bias=False)", [GRU(H, **no_bias)])
    save(
        "gru_no_bias_reset_before",
        f"GRU({I}, {H}, bias=False, reset_after=False)",
        [GRU(H, reset_after=False, **no_bias)],
        reset_after=False,
    )
    save(
        "gru_bidirectional",
        f"GRU({I}, {H}, bidirectional=True, reset_after=False)",
        [Bidirectional(GRU(H, reset_after=False, **MASKED), name="both")],
        lengths=LENGTHS,
    )
    save(
        "gru_go_backwards_stacked",
        f"GRU({I}, {H}, num_layers=2, reverse=True)",
        [GRU(H, go_backwards=True, name="lower", **ALL), GRU(H, name="upper", **ALL)],
        layers="lower,upper",
        go_backwards=True,
    )
    save(
        "gru_activations",
        f"GRU({I}, {H}, activations=[Sigmoid, LeakyRelu(0.2)])",
        [GRU(H, activation="leaky_relu", **ALL)],
        activation="leaky_relu",
    )
    save(
        "gru_softplus",
        f"GRU({I}, {H}, activations=[Sigmoid, Softplus])",
        [GRU(H, activation="softplus", **ALL)],
        activation="softplus",
    )
    save(
        "lstm_linear",
        f"LSTM({I}, {H}, activations=[Sigmoid, Affine(1, 0), Affine(1, 0)])",
        [LSTM(H, activation="linear", **ALL)],
        activation="linear",
    )
    save("rnn", f"RNN({I}, {H})", [SimpleRNN(H, **ALL)], given=True)
    save("rnn_relu", f"RNN({I}, {H}, nonlinearity='relu')", [SimpleRNN(H, activation="relu", **ALL)], activation="relu")
    save(
        "rnn_go_backwards",
        f"RNN({I}, {H}, reverse=True, activations=[Elu(1)])",
        [SimpleRNN(H, activation="elu", go_backwards=True, **MASKED)],
        lengths=LENGTHS,
        activation="elu",
        go_backwards=True,
    )
    save(
        "rnn_stacked",
        f"RNN({I}, {H}, num_layers=3)",
        [SimpleRNN(H, name=name, **ALL) for name in ["model_a", "model_b", "model_c"]],
        layers="model_a,model_b,model_c",
    )


main()
