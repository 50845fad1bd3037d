"""Layers: arrays of every kind in and out, options, threads, pickles and forks."""

import asyncio
import copy
import multiprocessing
import os
import pickle
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import wgpu_rnn
from wgpu_rnn import Layer, Weights


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.fixture
def lstm():
    return Layer.seeded("lstm", 5, 6, num_layers=2, bidirectional=True, device="cpu")


def assert_same(left, right):
    """Compares nested results bit for bit."""
    if isinstance(left, tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))


@pytest.mark.parametrize("cell, module", [("rnn", torch.nn.RNN), ("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)])
def test_seeded_weights_are_those_of_torch(cell, module):
    torch.manual_seed(3)
    expected = module(4, 7, num_layers=2, bidirectional=True).state_dict()
    found = Layer.seeded(cell, 4, 7, seed=3, num_layers=2, bidirectional=True).weights.state_dict()
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values.numpy())


def test_shapes_are_those_of_torch(lstm):
    output, (h_n, c_n) = lstm(noise(3, 7, 5))
    assert (output.shape, h_n.shape, c_n.shape) == ((3, 7, 12), (4, 3, 6), (4, 3, 6))
    output, (h_n, c_n) = lstm(noise(7, 5))
    assert (output.shape, h_n.shape, c_n.shape) == ((7, 12), (4, 6), (4, 6))
    assert output.dtype == np.float32


def test_a_final_state_goes_on(lstm):
    layer = Layer.seeded("lstm", 5, 6, device="cpu")
    x = noise(3, 8, 5)
    whole, state = layer(x)
    first, between = layer(x[:, :5])
    second, last = layer(x[:, 5:], between)
    assert_same(np.concatenate([first, second], 1), whole)
    assert_same(last, state)
    with_zero_c, _ = layer(x, (between[0], None))
    explicit, _ = layer(x, (between[0], np.zeros_like(between[1])))
    assert_same(with_zero_c, explicit)


def test_strided_read_only_and_unaligned_arrays_are_read(lstm):
    x = noise(3, 7, 5)
    expected = lstm(x)
    padded = np.zeros((6, 7, 10), np.float32)
    padded[::2, :, ::2] = x
    assert_same(lstm(padded[::2, :, ::2]), expected)
    assert_same(lstm(np.ascontiguousarray(x[::-1])[::-1]), expected)
    x.flags.writeable = False
    assert_same(lstm(x), expected)
    raw = np.zeros(x.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(x.tobytes(), np.uint8)
    unaligned = raw[1:].view(np.float32).reshape(x.shape)
    assert not unaligned.flags.aligned
    assert_same(lstm(unaligned), expected)
    assert_same(lstm(x.astype(">f4")), expected)


def test_other_floats_are_rounded_and_other_types_refused(lstm):
    x = noise(3, 7, 5).astype(np.float64) + 1e-9
    assert_same(lstm(x), lstm(x.astype(np.float32)))
    half = x.astype(np.float16)
    assert_same(lstm(half), lstm(half.astype(np.float32)))
    assert_same(lstm([[[0.5] * 5]] * 3), lstm(np.full((3, 1, 5), 0.5, np.float32)))
    for wrong in [np.zeros((3, 7, 5), np.int64), np.zeros((3, 7, 5), bool), torch.zeros(3, 7, 5, dtype=torch.int32)]:
        with pytest.raises(TypeError, match="expected a float32, float64 or float16 array, found"):
            lstm(wrong)
    with pytest.raises(TypeError, match="bfloat16"):
        lstm(torch.zeros(3, 7, 5, dtype=torch.bfloat16))


def test_tensors_give_tensors(lstm):
    x = torch.from_numpy(noise(3, 7, 5))
    output, (h_n, c_n) = lstm(x.requires_grad_())
    assert all(isinstance(part, torch.Tensor) for part in [output, h_n, c_n])
    assert_same((output, (h_n, c_n)), lstm(x.detach().numpy()))
    assert_same(lstm(x, (h_n, c_n), torch.tensor([7, 1, 0])), lstm(x.detach().numpy(), (h_n.numpy(), c_n.numpy()), [7, 1, 0]))


def test_lists_of_arrow_are_read_without_a_copy(lstm):
    from wgpu_rnn import _arrays

    x = noise(3, 7, 5)
    flat = pa.array(x.ravel())
    rows = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(flat, 5), 7)
    assert_same(lstm(rows), lstm(x))
    assert_same(lstm(pa.chunked_array([rows[:1], rows[1:]])), lstm(x))
    assert np.shares_memory(_arrays.as_f32("x", rows)[0], flat.to_numpy())
    assert_same(lstm(rows[1:]), lstm(x[1:]))
    with pytest.raises(wgpu_rnn.ShapeError, match="nulls"):
        lstm(pa.array([[[1.0] * 5], None], pa.list_(pa.list_(pa.float32(), 5), 1)))


def test_out_takes_the_output(lstm):
    x = noise(3, 7, 5)
    expected = lstm(x)
    out = np.empty((3, 7, 24), np.float32)[:, :, ::2]
    output, state = lstm(x, out=out)
    assert output is out
    assert_same((out, state), expected)
    for wrong in [np.empty((3, 7, 11), np.float32), np.empty((3, 7, 12)), [0.0]]:
        with pytest.raises(wgpu_rnn.ShapeError, match="out: expected a writable float32 array"):
            lstm(x, out=wrong)
    out = np.empty((3, 7, 12), np.float32)
    out.flags.writeable = False
    with pytest.raises(wgpu_rnn.ShapeError, match="out"):
        lstm(x, out=out)


def test_time_first_swaps_the_first_two_axes():
    weights = Weights.seeded({"cell": "gru", "input_size": 5, "hidden_size": 6}, 0)
    x = noise(3, 7, 5)
    output, h_n = Layer(weights, device="cpu")(x, lengths=[7, 2, 3])
    turned = Layer(weights, device="cpu", time_first=True)
    other, other_h_n = turned(x.swapaxes(0, 1), lengths=[7, 2, 3])
    assert_same((other.swapaxes(0, 1), other_h_n), (output, h_n))
    out = np.empty((7, 3, 6), np.float32)
    turned(x.swapaxes(0, 1), lengths=[7, 2, 3], out=out)
    assert_same(out, other)
    assert_same(turned(x[0])[0], output[0])


def test_errors_are_of_one_hierarchy_and_can_be_pickled(lstm):
    cases = [
        (wgpu_rnn.ShapeError, lambda: lstm(noise(3, 7, 4))),
        (wgpu_rnn.ShapeError, lambda: lstm(noise(5))),
        (wgpu_rnn.ShapeError, lambda: lstm(noise(3, 0, 5))),
        (wgpu_rnn.ShapeError, lambda: lstm(noise(3, 7, 5), lengths=[1, -1, 2])),
        (wgpu_rnn.ShapeError, lambda: lstm(noise(3, 7, 5), lengths=[1, 8, 2])),
        (wgpu_rnn.ShapeError, lambda: lstm(noise(3, 7, 5), noise(4, 2, 6))),
        (wgpu_rnn.ConfigError, lambda: Layer.seeded("lstm", 0, 4)),
        (wgpu_rnn.ConfigError, lambda: Layer.seeded("lstm", 4, 4, nonlinearity="relu")),
        (wgpu_rnn.ConfigError, lambda: Weights.seeded({"cell": "gru", "hidden": 4}, 0)),
        (wgpu_rnn.ConfigError, lambda: Layer.seeded("lstm", 4, 4, device="tpu")),
        (wgpu_rnn.ConfigError, lambda: lstm.session(1)),
        (wgpu_rnn.WeightsError, lambda: Layer.from_state_dict({"a": noise(3)})),
        (wgpu_rnn.FileFormatError, lambda: Layer.from_file(b"no")),
        (wgpu_rnn.DeviceError, lambda: Layer.seeded("gru", 4, 4, device="name:no such adapter").open()),
        (wgpu_rnn.DeviceError, lambda: Layer.seeded("gru", 4, 4, device="pci:ffff:ff:1f.7").open()),
    ]
    for kind, call in cases:
        with pytest.raises(kind) as raised:
            call()
        error = raised.value
        assert isinstance(error, wgpu_rnn.WgpuRnnError)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
    assert issubclass(wgpu_rnn.ShapeError, ValueError) and issubclass(wgpu_rnn.OutOfMemory, MemoryError)


def test_a_pickled_layer_computes_the_same_and_opens_its_device_late(device):
    layer = Layer.seeded("lstm", 5, 6, device=device, threads=1)
    x = noise(3, 7, 5)
    expected = layer(x)
    for again in [pickle.loads(pickle.dumps(layer)), copy.copy(layer), copy.deepcopy(layer)]:
        assert again.device is None
        assert_same(again(x), expected)
        assert again.weights == layer.weights


def test_every_configuration_can_be_pickled():
    settings = [
        {"nonlinearity": "relu", "cell": "rnn"},
        {"cell": "lstm", "peepholes": True, "clip": 3.0, "input_forget": True, "reverse": True},
        {"cell": "gru", "reset_after": False, "bias": False},
        {"cell": "lstm", "proj_size": 2, "num_layers": 2},
        {"cell": "gru", "activations": [["HardSigmoid(0.25, 0.5)", "Elu(0.5)", "Tanh"]] * 2},
    ]
    for extra in settings:
        weights = Weights.seeded({"input_size": 4, "hidden_size": 5, **extra}, 1)
        again = pickle.loads(pickle.dumps(weights))
        assert again == weights and again.config == weights.config
        for key, value in extra.items():
            assert str(again.config[key]) == str(value), key


def test_many_threads_use_one_layer(device):
    layer = Layer.seeded("gru", 5, 6, device=device, threads=2)
    inputs = [noise(2, 9, 5, seed=seed) for seed in range(16)]
    expected = [layer(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(layer, inputs * 4), expected * 4):
            assert_same(found, wanted)


def test_the_gil_is_free_during_a_call():
    layer = Layer.seeded("lstm", 64, 256, device="cpu", threads=1)
    x = noise(8, 100, 64)
    running = False

    def calls():
        nonlocal running
        while not seen and time.monotonic() < deadline:
            running = True
            layer(x)
            running = False

    seen, deadline = False, time.monotonic() + 60
    interval = sys.getswitchinterval()
    # A thread keeps the GIL until it gives it up: this one can see `running` only if the call gave it up.
    sys.setswitchinterval(1000)
    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(calls)
            while not (seen := running) and not done.done():
                time.sleep(0.0005)
    finally:
        sys.setswitchinterval(interval)
    assert seen


def test_an_event_loop_goes_on_during_a_call():
    layer = Layer.seeded("lstm", 4, 5, device="cpu")
    x = noise(2, 3, 4)
    gate = threading.Event()

    class Gated(ThreadPoolExecutor):
        def submit(self, function, /, *arguments):
            return super().submit(lambda: gate.wait(60) and function(*arguments))

    async def both():
        asyncio.get_running_loop().set_default_executor(Gated(1))
        call = asyncio.ensure_future(layer.forward_async(x))
        for _ in range(10):
            await asyncio.sleep(0)
        waiting = not call.done()
        gate.set()
        return waiting, await call

    waiting, found = asyncio.run(both())
    assert waiting
    assert_same(found, layer(x))


def _call_in_fork(layer, x, queue):
    try:
        layer(x)
        queue.put("computed")
    except wgpu_rnn.ForkError as error:
        queue.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_is_answered_with_an_error():
    layer = Layer.seeded("gru", 5, 6, device="cpu")
    x = noise(2, 3, 5)
    layer(x)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_call_in_fork, args=(layer, x, queue))
    child.start()
    assert "start workers with the method 'spawn'" in queue.get(timeout=60)
    child.join(60)


def _call_in_new_process(layer, x):
    return layer(x)


def test_a_new_process_computes_the_same():
    layer = Layer.seeded("gru", 5, 6, device="cpu")
    x = noise(2, 3, 5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert_same(pool.apply(_call_in_new_process, (layer, x)), layer(x))


def test_devices_can_be_chosen(monkeypatch):
    found = wgpu_rnn.devices()
    assert [device.index for device in found] == list(range(len(found)))
    for device in found:
        layer = Layer.seeded("gru", 5, 6, device=f"gpu:{device.index}")
        layer.open()
        assert device.name in layer.device
        if device.pci_bus_id:
            other = Layer.seeded("gru", 5, 6, device=f"pci:{device.pci_bus_id}")
            other.open()
            assert other.device == layer.device


def test_files_are_read(tmp_path):
    layer = Layer.seeded("lstm", 5, 6, num_layers=2, device="cpu")
    path = tmp_path / "model.safetensors"
    path.write_bytes(layer.weights.to_safetensors())
    assert Layer.from_file(path, device="cpu").weights == layer.weights
    arrays = tmp_path / "model.npz"
    np.savez(arrays, **{f"encoder.{name}": values for name, values in layer.weights.state_dict().items()})
    assert Layer.from_file(str(arrays), layers="encoder").weights == layer.weights
    saved = tmp_path / "model.pt"
    torch.save({"model": {"rnn." + name: torch.from_numpy(own) for name, own in layer.weights.state_dict().items()}}, saved)
    assert Layer.from_file(saved, device="cpu").weights == layer.weights
    cells = {f"rnns.{place}.{name}": own for place in range(2) for name, own in torch.nn.GRU(6, 6).state_dict().items()}
    torch.save(cells, saved)
    assert Layer.from_file(saved, layers=["rnns.0", "rnns.1"]).config["num_layers"] == 2
    with pytest.raises(wgpu_rnn.FileFormatError, match="an empty file"):
        Weights.from_file(b"")
    with pytest.raises(wgpu_rnn.ConfigError, match="nonlinearity"):
        Layer.from_file(path, nonlinearity="elu")


def test_keras_files_are_read():
    # What Keras wrote, with the library's own tests.
    files = Path(__file__).parents[2] / "tests" / "files"
    read = 0
    for path in files.glob("*.keras"):
        try:
            layer = Layer.from_file(path, device="cpu")
        except wgpu_rnn.WeightsError as error:
            # The file has several layers, and the error lists them.
            layer = Layer.from_file(path, device="cpu", layers=re.findall('"([^"]+)"', str(error))[:1])
        assert layer(noise(1, 2, layer.config["input_size"]))[0].shape[:2] == (1, 2)
        read += 1
    assert read


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_modules_of_torch_keep_their_layout(cell):
    x = torch.from_numpy(noise(3, 3, 5))
    for first in [False, True]:
        module = getattr(torch.nn, cell)(5, 6, num_layers=2, batch_first=first)
        layer = Layer.from_torch(module, device="cpu")
        assert layer.time_first is not first
        torch.testing.assert_close(layer(x)[0], module(x)[0].detach(), rtol=1e-5, atol=1e-6)


def test_cells_and_stacks_of_torch_become_layers():
    x = torch.from_numpy(noise(4, 3, 5))
    cell = torch.nn.LSTMCell(5, 6)
    h, c = cell(x[0])
    _, (h_n, c_n) = Layer.from_torch(cell, device="cpu")(x[:1])
    torch.testing.assert_close(h_n[0], h.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(c_n[0], c.detach(), rtol=1e-5, atol=1e-6)
    stack = torch.nn.ModuleList([torch.nn.GRU(5, 6), torch.nn.Dropout(0.5), torch.nn.GRU(6, 6)])
    layer = Layer.from_torch(stack, device="cpu")
    torch.testing.assert_close(layer(x)[0], stack[2](stack[0](x)[0])[0].detach(), rtol=1e-5, atol=1e-6)
    with pytest.raises(wgpu_rnn.WeightsError, match="expected hidden_size=6"):
        Layer.from_torch([torch.nn.GRU(5, 6), torch.nn.GRU(6, 7)])
    with pytest.raises(TypeError, match="found Linear"):
        Layer.from_torch(torch.nn.Sequential(torch.nn.Linear(5, 6)))


def test_weight_norm_of_torch_is_computed():
    module = torch.nn.LSTM(5, 6)
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    x = torch.from_numpy(noise(4, 3, 5))
    torch.testing.assert_close(Layer.from_torch(module, device="cpu")(x)[0], module(x)[0].detach(), rtol=1e-5, atol=1e-6)
