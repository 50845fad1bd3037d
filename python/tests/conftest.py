"""What several tests share."""

import os

import pytest

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", "/tmp/wgpu-rnn-hypothesis")


def _devices() -> list[str]:
    import wgpu_rnn

    chosen = os.environ.get("WGPU_RNN_TEST_DEVICES")
    return chosen.split(",") if chosen else ["cpu", "reference", *(["gpu"] if wgpu_rnn.devices() else [])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that takes ``device`` on every device of this machine. WGPU_RNN_TEST_DEVICES chooses others."""
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", _devices())
