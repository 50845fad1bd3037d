"""Random layers and inputs against torch in float64, within the library's own tolerance."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wgpu_rnn import Layer

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


@st.composite
def problems(draw):
    cell = draw(st.sampled_from(["rnn", "lstm", "gru"]))
    hidden = draw(st.integers(1, 20))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
    }
    if cell == "rnn":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if cell == "lstm" and hidden > 1 and draw(st.booleans()):
        options["proj_size"] = draw(st.integers(1, hidden - 1))
    rows, steps = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    lengths = draw(st.one_of(st.none(), st.lists(st.integers(1, steps), min_size=rows, max_size=rows)))
    return {
        "cell": cell,
        "sizes": (draw(st.integers(1, 20)), hidden),
        "options": options,
        "rows": rows,
        "steps": steps,
        "lengths": lengths,
        "batched": lengths is not None or draw(st.booleans()),
        "state": draw(st.booleans()),
        "kind": draw(st.sampled_from([np.float32, np.float64, "torch", "strided"])),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def expected(module, x, state, lengths):
    """Computes torch's result in float64; the output is padded with zeros to the input's steps."""
    module = module.double()
    if lengths is None:
        return module(x, state)
    steps = x.shape[1 if module.batch_first else 0]
    packed = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
    output, state = module(packed, state)
    return pad_packed_sequence(output, batch_first=module.batch_first, total_length=steps)[0], state


def values(problem, module):
    """Draws the input and the state in float64 with values that float32 holds."""
    generator = np.random.default_rng(problem["seed"])

    def draw(*shape):
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32).astype(np.float64))

    rows, steps = problem["rows"], problem["steps"]
    axes = ((rows, steps) if module.batch_first else (steps, rows)) if problem["batched"] else (steps,)
    middle = (rows,) if problem["batched"] else ()
    states = module.num_layers * (2 if module.bidirectional else 1)
    h_0 = draw(states, *middle, module.proj_size or module.hidden_size)
    c_0 = draw(states, *middle, module.hidden_size)
    state = ((h_0, c_0) if module.mode == "LSTM" else h_0) if problem["state"] else None
    return draw(*axes, module.input_size), state


def as_given(kind, tensor):
    """Converts a tensor of float64 to the kind of array that a user may have."""
    array = tensor.numpy()
    if kind == "torch":
        return torch.from_numpy(array.astype(np.float32))
    if kind == "strided":
        padded = np.zeros((*array.shape[:-1], array.shape[-1] * 3), np.float32)
        padded[..., ::3] = array
        return padded[..., ::3]
    return array.astype(kind)


@given(problem=problems())
@settings(max_examples=200, deadline=None)
def test_every_option_agrees_with_torch(device, problem):
    torch.manual_seed(problem["seed"])
    module = MODULES[problem["cell"]](*problem["sizes"], **problem["options"]).eval()
    layer = Layer.from_torch(module, device=device)
    x, state = values(problem, module)
    with torch.no_grad():
        wanted, last = expected(module, x, state, problem["lengths"])
    convert = lambda tensor: as_given(problem["kind"], tensor)  # noqa: E731
    given_state = tuple(map(convert, state)) if isinstance(state, tuple) else None if state is None else convert(state)
    found, found_last = layer(convert(x), given_state, problem["lengths"])
    first = x.transpose(0, 1) if problem["batched"] and not module.batch_first else x
    tolerance, h_tolerance, c_tolerance = layer.weights.tolerance(first.numpy(), given_state, problem["lengths"])
    if problem["batched"] and not module.batch_first:
        tolerance = tolerance.swapaxes(0, 1)
    close(found, wanted, tolerance)
    if problem["cell"] == "lstm":
        close(found_last[0], last[0], h_tolerance)
        close(found_last[1], last[1], c_tolerance)
    else:
        close(found_last, last, h_tolerance)


def close(found, wanted, tolerance):
    found, wanted = np.asarray(found, np.float64), wanted.numpy()
    assert found.shape == wanted.shape
    # torch's own sums in float64 have an error, too.
    assert (np.abs(found - wanted) <= tolerance + 1e-12).all(), (np.abs(found - wanted) - tolerance).max()


def test_a_wrong_weight_is_seen():
    module = torch.nn.GRU(4, 5)
    layer = Layer.from_torch(module, device="cpu")
    x = torch.zeros(6, 2, 4).numpy()
    with torch.no_grad():
        module.bias_ih_l0[10] += 1e-4  # the gate n of unit 0
        wanted, _ = module.double()(torch.zeros(6, 2, 4, dtype=torch.float64))
    tolerance, _, _ = layer.weights.tolerance(x.swapaxes(0, 1))
    found = layer(x)[0]
    assert not (np.abs(found - wanted.numpy()) <= tolerance.swapaxes(0, 1) + 1e-12).all()
