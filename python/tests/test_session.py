"""Sessions: the state of live streams."""

import numpy as np
import pytest

import wgpu_rnn
from wgpu_rnn import Layer


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def test_pushed_pieces_are_one_forward_pass(device):
    if device == "reference":
        pytest.skip("the reference keeps the state of a session in float32")
    layer = Layer.seeded("lstm", 5, 6, num_layers=2, device=device, strategy="step")
    session = layer.session(3)
    assert session.rows == 3
    x = noise(3, 9, 5)
    expected, state = layer(x)
    pieces = [session.push(x[:, :4]), session.push(x[:, 4:5]), session.push(x[:, 5:])]
    np.testing.assert_array_equal(np.concatenate(pieces, 1), expected)
    for found, wanted in zip(session.state(), state):
        np.testing.assert_array_equal(found, wanted)


def test_rows_can_be_listed_reset_and_set():
    layer = Layer.seeded("gru", 5, 6, device="cpu")
    session = layer.session(3)
    x = noise(2, 4, 5)
    out = np.empty((2, 4, 6), np.float32)
    assert session.push(x, rows=[2, 0], out=out) is out
    np.testing.assert_array_equal(out, layer(x)[0])
    kept = session.state()
    assert not kept[:, 1].any() and kept[:, 2].any()
    session.reset([2])
    assert not session.state()[:, 2].any()
    session.set_state(kept[:, 2:], rows=[1])
    np.testing.assert_array_equal(session.state()[:, 1], kept[:, 2])
    session.push(x, rows=[0, 1], lengths=[0, 2])
    np.testing.assert_array_equal(session.state()[:, 0], kept[:, 0])
    session.reset()
    assert not session.state().any()


def test_wrong_rows_change_nothing():
    session = Layer.seeded("gru", 5, 6, device="cpu").session(2)
    session.push(noise(2, 1, 5))
    before = session.state()
    for rows, x in [([2], noise(1, 1, 5)), ([0, 0], noise(2, 1, 5)), ([0], noise(2, 1, 5)), (None, noise(1, 1, 5))]:
        with pytest.raises(wgpu_rnn.ShapeError):
            session.push(x, rows=rows)
    with pytest.raises(wgpu_rnn.ShapeError):
        session.set_state(noise(2, 6))
    np.testing.assert_array_equal(session.state(), before)
