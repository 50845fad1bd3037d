"""Compares the CPU backend with PyTorch and ONNX Runtime on the same layers, or the GPU backend with ONNX Runtime's
WebGPU provider.

    python -m venv /tmp/venv
    /tmp/venv/bin/pip install numpy onnx onnxruntime safetensors torch
    /tmp/venv/bin/python tools/peers/compare.py --help

    python -m venv /tmp/webgpu
    /tmp/webgpu/bin/pip install numpy onnxruntime-webgpu safetensors
    /tmp/venv/bin/python tools/peers/compare.py --webgpu /tmp/webgpu/bin/python

All sides run in processes of their own, and take turns. Run nothing else meanwhile.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import models

HERE = pathlib.Path(__file__).resolve().parent
# The maximum difference from the output that PyTorch computes in f64.
TOLERANCE = 1e-4


class Worker:
    """A process that times one side on one case."""

    def __init__(self, command):
        # These settings are of older OpenBLAS builds, and slow down other libraries.
        hidden = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.medians = []
        difference = float(self.read())
        if not difference < TOLERANCE:
            sys.exit(f"{command} differs by {difference} from the expected output")

    def read(self):
        line = self.process.stdout.readline()
        return line if line else sys.exit(f"{self.process.args} ended with {self.process.wait()}")

    def times(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.read())

    def measure(self, seconds):
        self.medians.append(statistics.median(self.times(seconds)))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def build():
    """Builds the program that runs wgpu-rnn, and returns its path."""
    command = ["cargo", "build", "--release", "--package", "peers", "--message-format", "json"]
    output = subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in output.splitlines()]
    return next(message["executable"] for message in built if message.get("executable"))


def compare(options, sides, folder, cell, case, threads):
    """Returns the median seconds of each side."""
    models.write(folder, cell, case)
    arguments = [folder, cell, case, str(threads)]
    workers = {name: Worker(command + arguments) for name, command in sides.items()}
    for worker in workers.values():
        worker.times(options.seconds)
    for _ in range(options.rounds):
        for worker in workers.values():
            worker.measure(options.seconds)
    for worker in workers.values():
        worker.end()
    return {name: statistics.median(worker.medians) for name, worker in workers.items()}


def label(threads):
    return threads if threads == "gpu" else f"{threads}t"


def report(result, ours):
    """Prints a line, and returns how many times as fast `ours` is as the fastest peer."""
    peers = [seconds for name, seconds in result["seconds"].items() if name not in ours]
    times = {name: f"{1e3 * seconds:10.4f} {name}" for name, seconds in result["seconds"].items()}
    factors = {name: min(peers) / result["seconds"][name] if peers else math.nan for name in ours}
    line = f"{result['cell']:5}{result['case']:8}{label(result['threads'])}" + "".join(times.values())
    print(line + "".join(f"{factor:8.2f}" for factor in factors.values()), flush=True)
    return factors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = lambda text: text.split(",")
    parser.add_argument("--peers", type=names, default=["torch", "onnxruntime"], metavar="NAMES")
    parser.add_argument("--cells", type=names, default=list(models.MODULES), metavar="NAMES")
    parser.add_argument("--cases", type=names, default=list(models.CASES), metavar="NAMES")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--webgpu", metavar="PYTHON", help="compares GPUs: a Python with onnxruntime-webgpu, whose LSTM is on the GPU")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn (default: 1)")
    parser.add_argument("--ours", action="append", metavar="PATH", help="built programs to time instead of a new build")
    parser.add_argument("--json", type=argparse.FileType("w"), help="writes the results to a file, for plot.py")
    parser.add_argument("--processor", default=platform.processor() or platform.machine(), help="the processor's name for plot.py")
    options = parser.parse_args()

    ours = options.ours or [build()]
    sides = {path: [path] for path in ours}
    ours = list(sides)
    if options.webgpu:
        options.threads, options.cells, options.peers = ["gpu"], ["lstm"], ["onnxruntime-webgpu"]
    python = options.webgpu or sys.executable
    sides |= {name: [python, str(HERE / "worker.py"), name] for name in options.peers}
    results, factors = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for threads in options.threads:
            for cell in options.cells:
                for case in options.cases:
                    seconds = compare(options, sides, folder, cell, case, threads)
                    result = {"cell": cell, "case": case, "threads": threads}
                    found = report({**result, "seconds": seconds}, ours)
                    results.append({**result, "factor": round(found[ours[0]], 2)})
                    if case != "big":
                        for name, factor in found.items():
                            factors.setdefault((cell, threads, name), []).append(factor)
    for (cell, threads, name), values in factors.items():
        print(f"{cell} {label(threads)}, {name}: geometric mean without big {statistics.geometric_mean(values):.2f}")
    if options.json:
        json.dump({"processor": options.processor, "factors": results}, options.json, indent=1)


main()
