"""Compares the Python package with PyTorch and ONNX Runtime from Python: calls, threads, and live streams, on the CPU.

    python python_calls.py calls    # one row of each case, one thread: the overhead shows where the work is small
    python python_calls.py threads  # 16 Python threads that use one layer
    python python_calls.py streams  # 128 streams of Silero's LSTM: one session against 128 calls

It needs the package wgpu_rnn (a release build), torch, onnxruntime, onnx and, for streams, silero-vad. Every figure is a
median over rounds in which the libraries take turns. The results are compared before anything is timed.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import wgpu_rnn
from models import CASES, gates, module, write
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

ROUNDS = 7
SECONDS = 0.4


def session_of(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def libraries(cell, case, threads, folder):
    """Returns a function for each library that runs one row of a case, and checks that the results agree."""
    write(folder, cell, case, rows=1)
    path = f"{folder}/{cell}_{case}"
    data = load_file(f"{path}.safetensors")
    weights = {name: value for name, value in data.items() if name not in "xy"}
    x = data["x"]
    ours = wgpu_rnn.Layer.from_state_dict(weights, device="cpu", threads=threads)
    theirs = module(cell, case).eval()
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    tensor = torch.from_numpy(x)
    onnx_session = session_of(f"{path}.onnx", threads)

    def torch_call():
        with torch.inference_mode():
            return theirs(tensor)[0]

    calls = {
        "wgpu_rnn": lambda: ours(x)[0],
        "torch": torch_call,
        "onnxruntime": lambda: onnx_session.run(None, {"x": x})[0],
    }
    for name, call in calls.items():
        difference = np.abs(np.asarray(call()) - data["y"]).max()
        assert difference < 1e-4, (name, difference)
    return calls


def medians(calls):
    """Returns the median seconds of a call of each library."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            end, own = time.perf_counter() + SECONDS, []
            while time.perf_counter() < end:
                start = time.perf_counter()
                call()
                own.append(time.perf_counter() - start)
            times[name].append(statistics.median(own))
    return {name: statistics.median(own) for name, own in times.items()}


def print_ratios(title, found):
    ours = found["wgpu_rnn"]
    others = ", ".join(f"{name} / ours {seconds / ours:.2f}" for name, seconds in found.items() if name != "wgpu_rnn")
    print(f"{title:16} ours {ours * 1e6:9.1f} us, {others}", flush=True)


def calls(folder):
    torch.set_num_threads(1)
    for case in CASES:
        if case != "big":
            for cell in ["rnn", "lstm", "gru"]:
                print_ratios(f"{cell} {case}", medians(libraries(cell, case, 1, folder)))


def threads(folder):
    """Measures how long 16 threads take for 16 calls each."""
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(16)
    for cell, case in [("lstm", "small"), ("gru", "small"), ("lstm", "stream"), ("lstm", "tiny")]:
        work = libraries(cell, case, 1, folder)

        def together(call):
            def sixteen(_):
                for _ in range(16):
                    call()

            return lambda: list(pool.map(sixteen, range(16)))

        print_ratios(f"{cell} {case}", medians({name: together(call) for name, call in work.items()}))


def step_model(weights):
    """Returns an ONNX model of one step of an LSTM with its states as inputs."""
    i, h = weights["weight_ih_l0"].shape[1], weights["weight_hh_l0"].shape[1]
    order = lambda name: gates("lstm", weights[name])
    tensors = {
        "w": order("weight_ih_l0")[None],
        "r": order("weight_hh_l0")[None],
        "b": np.concatenate([order("bias_ih_l0"), order("bias_hh_l0")])[None],
    }
    node = helper.make_node("LSTM", ["x", "w", "r", "b", "", "h", "c"], ["y", "h_n", "c_n"], hidden_size=h)
    value = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        [node],
        "step",
        [value("x", 1, 1, i), value("h", 1, 1, h), value("c", 1, 1, h)],
        [value("h_n", 1, 1, h), value("c_n", 1, 1, h)],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def streams(_):
    import silero_vad

    # Importing the package would load torchaudio.
    package = Path(importlib.util.find_spec("silero_vad").origin).parent
    path = package / "data" / "silero_vad_16k_sequence.onnx"
    layer = wgpu_rnn.Layer.from_file(path, device="cpu", threads=1)
    rows, steps = 128, 400
    frames = np.random.default_rng(0).standard_normal((steps, rows, 1, 128), np.float32)
    onnx_session = session_of(step_model(layer.weights.state_dict()), 1)
    output = np.empty((rows, 1, 128), np.float32)

    def ours():
        session, times = layer.session(rows), []
        for frame in frames:
            start = time.perf_counter()
            session.push(frame, out=output)
            times.append(time.perf_counter() - start)
        return times, session.state()[0][0]

    def theirs():
        zero = np.zeros((1, 1, 128), np.float32)
        states, times = [(zero, zero)] * rows, []
        for frame in frames:
            start = time.perf_counter()
            for row in range(rows):
                h, c = states[row]
                states[row] = onnx_session.run(None, {"x": frame[row : row + 1], "h": h, "c": c})
            times.append(time.perf_counter() - start)
        return times, np.stack([state[0][0, 0] for state in states])

    difference = np.abs(ours()[1] - theirs()[1]).max()
    assert difference < 1e-5, difference
    found = {"wgpu_rnn": [], "onnxruntime": []}
    for _ in range(ROUNDS):
        found["wgpu_rnn"] += ours()[0]
        found["onnxruntime"] += theirs()[0]
    for name, times in found.items():
        middle, late = np.percentile(times, 50), np.percentile(times, 99)
        print(f"{name:12} {rows / middle:10.0f} steps/s, p50 {middle * 1e3:.3f} ms, p99 {late * 1e3:.3f} ms for {rows} streams")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["calls", "threads", "streams"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        {"calls": calls, "threads": threads, "streams": streams}[options.what](scratch)
