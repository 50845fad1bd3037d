"""The examples on Ray: a pool of actors over a dataset, one of which is killed in the middle, and a trained encoder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import wgpu_rnn
from wgpu_rnn.scale_out import Embedder

pytest.importorskip("ray")
EXAMPLES = Path(__file__).parents[2] / "examples" / "ray"
EXAMPLE = EXAMPLES / "embed.py"
SEQUENCES = 6000
# What an actor may allocate, in MiB. The dataset has 152.
MEMORY = 96


def run(*arguments, program=EXAMPLE):
    return subprocess.Popen([sys.executable, str(program), *map(str, arguments)])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    assert run("make", folder, "--sequences", SEQUENCES).wait(60) == 0
    assert sum(file.stat().st_size for file in folder.iterdir()) > 1.5 * MEMORY * 2**20
    return folder


@pytest.fixture(scope="module")
def expected(data):
    """Embeds the whole dataset in this process."""
    weights = wgpu_rnn.Weights.seeded({"cell": "lstm", "input_size": 40, "hidden_size": 128}, 0)
    table = pa.concat_tables([pq.read_table(file) for file in sorted(data.glob("*.parquet"))])
    vectors = Embedder(wgpu_rnn.Layer(weights, device="cpu"))(table["features"])
    return dict(zip(table["id"].to_pylist(), vectors))


def check(folder, expected):
    """Checks that every sequence is there once and has the same bits."""
    table = pa.concat_tables([pq.read_table(file) for file in folder.glob("*.parquet")])
    assert sorted(table["id"].to_pylist()) == list(range(SEQUENCES))
    for place, vector in zip(table["id"].to_pylist(), table["embedding"].to_pylist()):
        np.testing.assert_array_equal(np.array(vector, np.float32), expected[place])


def actors():
    """Returns the processes of Ray's actors that embed."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "cmdline").read_text().startswith("ray::MapWorker(MapBatches(Embed)"):
                found.append(int(folder.name))
        except OSError:
            pass  # the process has ended
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the actors in /proc")
def test_a_killed_actor_costs_nothing_but_time(data, expected, tmp_path):
    job = run("run", data, tmp_path / "out", "--actors", 2, "--memory", MEMORY)
    deadline = time.monotonic() + 120
    while not (victims := actors()):
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    os.kill(victims[0], signal.SIGKILL)
    assert job.wait(240) == 0
    check(tmp_path / "out", expected)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")
def test_the_limit_on_an_actors_memory_holds():
    code = f"import runpy; runpy.run_path({str(EXAMPLE)!r})['limit_memory']({MEMORY})\n"
    code += "import numpy as np\nkept = np.ones({} * 2**20, np.uint8)"
    for size, expected in [(MEMORY // 2, None), (MEMORY + 1, "MemoryError")]:
        done = subprocess.run([sys.executable, "-c", code.format(size)], capture_output=True, text=True)
        assert (done.returncode == 0) == (expected is None)
        assert expected is None or expected in done.stderr


def test_a_trained_speaker_encoder_gives_the_embeddings_of_its_package(tmp_path):
    pytest.importorskip("resemblyzer")
    voices, embeddings = tmp_path / "voices", tmp_path / "embeddings"
    for arguments in [
        ["make", voices, "--utterances", 6],
        ["run", voices, embeddings],
        ["check", voices, embeddings, "--count", 6],
    ]:
        assert run(*arguments, program=EXAMPLES / "speakers.py").wait(240) == 0
