"""Embedding sequences of different lengths, and the device that a scheduler assigned."""

import os
import pickle
import stat

import numpy as np
import pyarrow as pa
import pytest

import wgpu_rnn
from wgpu_rnn import Layer
from wgpu_rnn.scale_out import Embedder, assigned_device


def sequences(count=40, size=3):
    generator = np.random.default_rng(0)
    return [generator.standard_normal(size * length, np.float32) for length in generator.integers(0, 30, count)]


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"proj_size": 2}])
@pytest.mark.parametrize("time_first", [False, True])
def test_each_sequence_has_the_result_of_a_call_of_its_own(options, time_first):
    layer = Layer.seeded("lstm", 3, 5, device="cpu", time_first=time_first, **options)
    alone = Layer.seeded("lstm", 3, 5, device="cpu", **options)
    given = sequences()
    found = Embedder(layer, rows=7, steps=100)(given)
    directions = 2 if layer.config["bidirectional"] else 1
    for values, result in zip(given, found):
        if values.size == 0:
            assert not result.any()
            continue
        _, (h_n, _) = alone(values.reshape(-1, 3))
        np.testing.assert_array_equal(result, h_n[-directions:].ravel())


def test_no_batch_is_larger_than_asked():
    lengths = np.random.default_rng(1).integers(0, 50, 300)
    batches = Embedder(Layer.seeded("gru", 3, 5), rows=16, steps=200)._batches(lengths)
    assert sorted(np.concatenate(batches)) == sorted(np.flatnonzero(lengths))
    assert all(len(batch) <= 16 and len(batch) * lengths[batch].max() <= 200 for batch in batches)
    assert len(batches) < 60
    longer = Embedder(Layer.seeded("gru", 3, 5), rows=16, steps=10)._batches(np.array([50, 50, 3]))
    assert [batch.tolist() for batch in longer] == [[1], [0], [2]]


def test_columns_of_arrow_are_read():
    embedder = Embedder(Layer.seeded("gru", 3, 5, device="cpu"))
    given = sequences()
    expected = embedder(given)
    column = pa.array(given, pa.list_(pa.float32()))
    for same in [column, pa.chunked_array([column[:9], column[9:]]), column.cast(pa.large_list(pa.float64()))]:
        np.testing.assert_array_equal(embedder(same), expected)
    np.testing.assert_array_equal(embedder(column[5:20]), expected[5:20])
    fixed = pa.array([[0.5] * 6] * 4, pa.list_(pa.float32(), 6))
    np.testing.assert_array_equal(embedder(fixed), embedder([[0.5] * 6] * 4))
    assert embedder(column[:0]).shape == (0, 5)
    for wrong in [pa.array([[1.0] * 3, None]), pa.array([[1.0, None, 2.0]])]:
        with pytest.raises(wgpu_rnn.ShapeError, match="without nulls"):
            embedder(wrong)
    with pytest.raises(wgpu_rnn.ShapeError, match="sequence 1: expected a multiple of input_size 3 values, found 4"):
        embedder([[1.0] * 3, [1.0] * 4])


def test_an_embedder_can_be_pickled():
    embedder = Embedder(Layer.seeded("gru", 3, 5, device="cpu"))
    given = sequences()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder))(given), embedder(given))


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Puts a stand-in of nvidia-smi on PATH, which lists two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-aaaa, 00000000:17:00.0'\necho '1, GPU-bbbb, 00000000:65:00.0'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])


def test_the_assigned_gpu_is_found(smi, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert assigned_device() == "auto" and assigned_device("gpu") == "gpu"
    for visible, expected in [
        ("", "cpu"),
        ("-1", "cpu"),
        ("1", "pci:00000000:65:00.0"),
        ("1,0", "pci:00000000:65:00.0"),
        ("GPU-aa", "pci:00000000:17:00.0"),
    ]:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert assigned_device() == expected
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(wgpu_rnn.ConfigError, match="expected one of the GPUs"):
        assigned_device()


def test_without_nvidia_smi_the_error_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(wgpu_rnn.ConfigError, match="expected nvidia-smi"):
        assigned_device()
