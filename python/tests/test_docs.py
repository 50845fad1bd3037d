"""The examples in the documentation and the types of the package."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wgpu_rnn
import wgpu_rnn.nn

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("module", [wgpu_rnn, wgpu_rnn.nn], ids=lambda module: module.__name__)
def test_the_examples_of_a_module(module):
    results = doctest.testmod(module)
    assert results.attempted > 3 and results.failed == 0


def test_the_examples_of_the_readme():
    text = (ROOT / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102


USER = """
import numpy as np
import wgpu_rnn

layer = wgpu_rnn.Layer.seeded("lstm", 4, 5, device="cpu")
output, state = layer(np.zeros((1, 2, 4), np.float32), lengths=[2])
session = layer.session(1)
session.push(np.zeros((1, 1, 4), np.float32), rows=[0])
names: list[str] = [device.name for device in wgpu_rnn.devices()]
"""
MISTAKES = ["layer.session('one')", "layer.forwards(1)", "wgpu_rnn.Layer.seeded('lstm', 4)"]


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_the_types(checker, tmp_path):
    user = tmp_path / "user.py"

    def check():
        command = [sys.executable, "-m", *checker, str(user)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    user.write_text(USER)
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    for mistake in MISTAKES:
        user.write_text(USER + mistake + "\n")
        assert check().returncode != 0, mistake


def test_the_types_of_the_package_itself():
    command = [sys.executable, "-m", "mypy", "src/wgpu_rnn"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_has_what_the_module_has():
    stub = (ROOT / "src" / "wgpu_rnn" / "_native.pyi").read_text()
    for kind in [wgpu_rnn.Weights, wgpu_rnn.Session, wgpu_rnn.Device, wgpu_rnn._native.Layer]:
        block = stub.split(f"class {kind.__name__}:")[1].split("\nclass ")[0]
        for name in vars(kind):
            if not name.startswith("_"):
                assert re.search(rf"\b(def )?{name}\b", block), f"{kind.__name__}.{name}"
