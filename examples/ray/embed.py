"""Embeds sequences of different lengths on Ray, from Parquet to Parquet.

    python embed.py make  data --sequences 20000
    python embed.py run   data embeddings --actors 2

A row of the input has `id` and `features`: the T*I values of one sequence, step after step. A row of the output has
`id` and `embedding`: the final hidden state of the layer. Each actor opens its own device; only the weights travel.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import wgpu_rnn
from wgpu_rnn.scale_out import Embedder, assigned_device

FEATURES = 40
# Sequences that an actor gets at once.
BATCH = 256


class Embed:
    """One actor of the pool. Ray makes it once in each worker and calls it for each batch."""

    def __init__(self, weights: wgpu_rnn.Weights, threads: int, memory: int | None) -> None:
        # Without an assigned GPU, the CPU: its results have the same bits in every process.
        layer = wgpu_rnn.Layer(weights, device=assigned_device(default="cpu"), threads=threads)
        self.embedder = Embedder(layer)
        if memory is not None:
            limit_memory(memory)

    def __call__(self, batch: pa.Table) -> pa.Table:
        vectors = self.embedder(batch["features"])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        return pa.table({"id": batch["id"], "embedding": column})


def limit_memory(mebibytes: int) -> None:
    """Limits what this process may allocate from now on; more is a `MemoryError`. Only Linux has this limit."""
    import resource

    status = Path("/proc/self/status").read_text()
    allocated = int(next(line for line in status.splitlines() if line.startswith("VmData:")).split()[1])
    limit = (allocated + mebibytes * 1024) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def make(folder: Path, sequences: int, files: int = 16) -> None:
    """Writes a dataset of random sequences of 20 to 300 steps."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for file, ids in enumerate(np.array_split(np.arange(sequences), files)):
        lengths = generator.integers(20, 300, len(ids))
        values = generator.standard_normal(int(lengths.sum()) * FEATURES, np.float32)
        offsets = np.concatenate([[0], np.cumsum(lengths * FEATURES)])
        features = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(values))
        pq.write_table(pa.table({"id": ids, "features": features}), folder / f"{file:04}.parquet")


def weights_of(path: Path | None) -> wgpu_rnn.Weights:
    """Reads the weights, or draws those of an LSTM(40, 128)."""
    if path is None:
        config = {"cell": "lstm", "input_size": FEATURES, "hidden_size": 128}
        return wgpu_rnn.Weights.seeded(config, 0)
    return wgpu_rnn.Layer.from_file(path).weights


def run(source: Path, target: Path, options: argparse.Namespace) -> float:
    """Embeds every sequence of `source` and returns the seconds that it took."""
    actors, threads = options.actors, options.threads
    if "RAY_ADDRESS" not in os.environ and not ray.is_initialized():
        # One CPU more than the actors take: with none left, the tasks that read and write would wait forever.
        ray.init(num_cpus=max(os.cpu_count() or 1, actors * threads + 1), include_dashboard=False)
    started = time.perf_counter()
    rows = ray.data.read_parquet(str(source))
    embedded = rows.map_batches(
        Embed,
        fn_constructor_args=(weights_of(options.weights), threads, options.memory),
        batch_format="pyarrow",
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=threads,
        num_gpus=options.gpus,
    )
    embedded.write_parquet(str(target))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make", help="write a dataset of random sequences")
    maker.add_argument("data", type=Path)
    maker.add_argument("--sequences", type=int, default=20_000)
    runner = commands.add_parser("run", help="embed a dataset")
    runner.add_argument("data", type=Path)
    runner.add_argument("embeddings", type=Path)
    runner.add_argument("--weights", type=Path, help="a safetensors file; default: an LSTM(40, 128) drawn with seed 0")
    runner.add_argument("--actors", type=int, default=1, help="workers, each with its own layer (default: 1)")
    runner.add_argument("--threads", type=int, default=1, help="CPU threads of each worker (default: 1)")
    runner.add_argument("--gpus", type=float, default=0, help="GPUs of each worker; a fraction shares one (default: 0)")
    runner.add_argument("--memory", type=int, metavar="MIB", help="limit on what each worker may allocate for its work")
    options = parser.parse_args()
    if options.command == "make":
        make(options.data, options.sequences)
        return
    seconds = run(options.data, options.embeddings, options)
    count = sum(pq.read_metadata(file).num_rows for file in options.embeddings.glob("*.parquet"))
    print(json.dumps({"sequences": count, "seconds": round(seconds, 2), "per_second": round(count / seconds)}))


if __name__ == "__main__":
    main()
