"""Runs the examples of docs/scale-out.md, as far as the engines are installed."""

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "scale-out.md"


def blocks():
    """Returns the setup of the page, and the code that needs each engine."""
    setup, engines = "", {}
    for words, code in re.findall(r"```python ?([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        if words.startswith("needs="):
            engine = words.removeprefix("needs=")
            engines[engine] = engines.get(engine, "") + code
        elif words != "no-run":
            setup += code
    return setup, engines


SETUP, ENGINES = blocks()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_example_of(engine, tmp_path, monkeypatch):
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    monkeypatch.chdir(tmp_path)
    assert "assert_array_equal" in ENGINES[engine]
    # In a module's namespace, so that the engines can pickle its functions.
    exec(compile(SETUP + ENGINES[engine], str(PAGE), "exec"), {"__name__": "__main__"})  # noqa: S102
