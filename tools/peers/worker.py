"""Times one peer on one case. compare.py starts it.

    python worker.py torch|onnxruntime|onnxruntime-webgpu FOLDER CELL CASE THREADS

Prints the largest difference from the expected output. Then it reads a number of seconds from each line of
standard input, runs forward passes for that long, and prints their times in seconds as a JSON array.
"""

import json
import sys
import time

from safetensors.numpy import load_file


def torch_forward(path, cell, case, threads, data):
    import torch

    from models import module

    torch.set_num_threads(int(threads))
    torch.set_num_interop_threads(1)
    layer = module(cell, case).eval()
    layer.load_state_dict({name: torch.from_numpy(value) for name, value in data.items() if name not in "xy"})
    x = torch.from_numpy(data["x"])

    def forward():
        with torch.inference_mode():
            return layer(x)[0]

    return lambda: forward(), lambda: forward().numpy()


def onnxruntime_forward(path, cell, case, threads, data):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{path}.onnx", options, providers=["CPUExecutionProvider"])
    forward = lambda: session.run(None, {"x": data["x"]})[0]
    return forward, forward


def webgpu_forward(path, cell, case, threads, data):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Its warnings name the nodes that run on the CPU: those that compute shapes.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(f"{path}.onnx", options, providers=["WebGpuExecutionProvider"])
    forward = lambda: session.run(None, {"x": data["x"]})[0]
    return forward, forward


def main():
    peer, folder, cell, case, threads = sys.argv[1:]
    path = f"{folder}/{cell}_{case}"
    data = load_file(f"{path}.safetensors")
    makers = {"torch": torch_forward, "onnxruntime": onnxruntime_forward, "onnxruntime-webgpu": webgpu_forward}
    forward, result = makers[peer](path, cell, case, threads, data)
    print(float(abs(result() - data["y"]).max()), flush=True)
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            forward()
            times.append(time.perf_counter() - start)
        print(json.dumps(times), flush=True)


main()
