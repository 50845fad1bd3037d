"""Embeds voices with Resemblyzer's trained speaker encoder on Ray, from Parquet to Parquet.

    pip install "ray[data]" resemblyzer "setuptools<81" wgpu-rnn
    python speakers.py make  voices --utterances 500
    python speakers.py run   voices embeddings --actors 2
    python speakers.py check voices embeddings

A row of the input has `id` and `audio`: 16-bit samples at 16 kHz. A row of the output has `id` and `embedding`: 256
values. The encoder is an LSTM(40, 256, num_layers=3) and a linear layer; the trained weights are in the package
`resemblyzer`. Spectrograms come from that package, too. `check` compares the result with the package's own.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import wgpu_rnn
from wgpu_rnn.scale_out import assigned_device

RATE = 16_000
# Utterances that an actor gets at once.
BLOCK = 16
# As Resemblyzer's embed_utterance: partial utterances of 1.6 s, 1.3 of them a second.
PARTIALS_PER_SECOND, MIN_COVERAGE = 1.3, 0.75


class Speakers:
    """One actor of the pool, with the trained encoder."""

    def __init__(self, threads: int) -> None:
        import resemblyzer
        import torch

        path = Path(resemblyzer.__file__).parent / "pretrained.pt"
        state = torch.load(path, map_location="cpu")["model_state"]
        device = assigned_device(default="cpu")
        self.layer = wgpu_rnn.Layer.from_file(path, device=device, threads=threads)
        self.weight, self.bias = state["linear.weight"].numpy(), state["linear.bias"].numpy()

    def __call__(self, batch: pa.Table) -> pa.Table:
        spectrograms = [self._partials(audio.as_py()) for audio in batch["audio"]]
        partials = self._encode(np.concatenate(spectrograms))
        ends = np.cumsum([len(one) for one in spectrograms])[:-1]
        means = [part.mean(axis=0) for part in np.split(partials, ends)]
        vectors = np.stack([mean / np.linalg.norm(mean) for mean in means])
        return pa.table({"id": batch["id"], "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 256)})

    def _partials(self, samples: list[int]) -> np.ndarray:
        """Returns an utterance's partial spectrograms, `[P, 160, 40]`."""
        from resemblyzer import VoiceEncoder, audio

        wav = np.array(samples, np.float32) / 32768
        wav_slices, mel_slices = VoiceEncoder.compute_partial_slices(len(wav), PARTIALS_PER_SECOND, MIN_COVERAGE)
        wav = np.pad(wav, (0, max(0, wav_slices[-1].stop - len(wav))))
        spectrogram = audio.wav_to_mel_spectrogram(wav)
        return np.stack([spectrogram[part] for part in mel_slices])

    def _encode(self, partials: np.ndarray) -> np.ndarray:
        _, (h_n, _) = self.layer(partials)
        embedded = np.maximum(h_n[-1] @ self.weight.T + self.bias, 0)
        return embedded / np.linalg.norm(embedded, axis=1, keepdims=True)


def make(folder: Path, utterances: int, files: int = 8) -> None:
    """Writes synthetic voices of 2 to 6 seconds: a buzz through three changing resonances, and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for file, ids in enumerate(np.array_split(np.arange(utterances), files)):
        audio = [voice(generator, generator.uniform(2, 6)) for _ in ids]
        table = pa.table({"id": ids, "audio": pa.array(audio, pa.list_(pa.int16()))})
        pq.write_table(table, folder / f"{file:04}.parquet")


def voice(generator: np.random.Generator, seconds: float) -> np.ndarray:
    time_axis = np.arange(int(seconds * RATE)) / RATE
    pitch = generator.uniform(80, 250)
    sound = np.zeros_like(time_axis)
    for formant in generator.uniform([300, 900, 2200], [800, 2000, 3200]):
        drift = formant * (1 + 0.2 * np.sin(2 * np.pi * generator.uniform(0.5, 3) * time_axis))
        harmonic = np.round(drift / pitch)
        sound += np.sin(2 * np.pi * pitch * harmonic * time_axis)
    sound += 0.1 * generator.standard_normal(len(sound))
    return (sound / np.abs(sound).max() * 12_000).astype(np.int16)


def run(source: Path, target: Path, actors: int, threads: int, gpus: float) -> None:
    if "RAY_ADDRESS" not in os.environ:
        # One CPU more than the actors take: with none left, the tasks that read and write would wait forever.
        ray.init(num_cpus=max(os.cpu_count() or 1, actors * threads + 1), include_dashboard=False)
    started = time.perf_counter()
    rows = ray.data.read_parquet(str(source)).repartition(target_num_rows_per_block=BLOCK)
    pool = ray.data.ActorPoolStrategy(size=actors)
    embedded = rows.map_batches(
        Speakers,
        fn_constructor_args=(threads,),
        batch_format="pyarrow",
        batch_size=BLOCK,
        compute=pool,
        num_cpus=threads,
        num_gpus=gpus,
    )
    embedded.write_parquet(str(target))
    seconds = time.perf_counter() - started
    count = sum(pq.read_metadata(file).num_rows for file in target.glob("*.parquet"))
    print(json.dumps({"utterances": count, "seconds": round(seconds, 2), "per_second": round(count / seconds, 1)}))


def check(source: Path, target: Path, count: int) -> None:
    """Compares embeddings with those of Resemblyzer itself. Fails if one differs by more than 1e-5."""
    from resemblyzer import VoiceEncoder

    encoder = VoiceEncoder("cpu", verbose=False)
    found = pa.concat_tables([pq.read_table(file) for file in target.glob("*.parquet")])
    vectors = dict(zip(found["id"].to_pylist(), found["embedding"].to_pylist()))
    rows = pa.concat_tables([pq.read_table(file) for file in sorted(source.glob("*.parquet"))]).slice(0, count)
    worst = 0.0
    for place, audio in zip(rows["id"].to_pylist(), rows["audio"].to_pylist()):
        expected = encoder.embed_utterance(np.array(audio, np.float32) / 32768)
        worst = max(worst, float(np.abs(expected - np.array(vectors[place])).max()))
    print(json.dumps({"compared": len(rows), "largest_difference": worst}))
    if worst > 1e-5 or not len(rows):
        raise SystemExit("the embeddings differ from Resemblyzer's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make", help="write a dataset of synthetic voices")
    maker.add_argument("voices", type=Path)
    maker.add_argument("--utterances", type=int, default=500)
    runner = commands.add_parser("run", help="embed a dataset")
    runner.add_argument("voices", type=Path)
    runner.add_argument("embeddings", type=Path)
    runner.add_argument("--actors", type=int, default=1, help="workers, each with its own layer (default: 1)")
    runner.add_argument("--threads", type=int, default=1, help="CPU threads of each worker (default: 1)")
    runner.add_argument("--gpus", type=float, default=0, help="GPUs of each worker; a fraction shares one (default: 0)")
    checker = commands.add_parser("check", help="compare a result with the package's own")
    checker.add_argument("voices", type=Path)
    checker.add_argument("embeddings", type=Path)
    checker.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    if options.command == "make":
        make(options.voices, options.utterances)
    elif options.command == "run":
        run(options.voices, options.embeddings, options.actors, options.threads, options.gpus)
    else:
        check(options.voices, options.embeddings, options.count)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    main()
