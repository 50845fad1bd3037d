"""Draws the results of compare.py, one row of charts for each processor.

    python -m venv /tmp/venv
    /tmp/venv/bin/pip install matplotlib
    /tmp/venv/bin/python tools/peers/plot.py tools/peers/results/*.json --output docs/cpu-speed.svg
"""

import argparse
import json

import matplotlib
from matplotlib import pyplot

CELLS = {"rnn": ("RNN", "#0072B2", "o"), "lstm": ("LSTM", "#D55E00", "s"), "gru": ("GRU", "#009E73", "^")}
# The medians of the same program differ by this much from run to run on a shared machine.
TIE = (0.8, 1.25)
TICKS = [0.75, 1, 1.5, 2, 3, 4, 6, 8]


def draw(axes, factors, title):
    cases = list(dict.fromkeys(factor["case"] for factor in factors))[::-1]
    axes.axvspan(*TIE, color="#E6E6E6", linewidth=0)
    axes.axvline(1, color="#606060", linewidth=1)
    for cell, (name, color, marker) in CELLS.items():
        of_cell = [factor for factor in factors if factor["cell"] == cell]
        x = [factor["factor"] for factor in of_cell]
        y = [cases.index(factor["case"]) for factor in of_cell]
        axes.scatter(x, y, s=42, color=color, marker=marker, label=name, alpha=0.9, zorder=3)
    axes.set_title(title, fontsize=10)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_xlim(0.7, 9)
    axes.set_yticks(range(len(cases)), cases)
    axes.grid(axis="y", color="#E0E0E0")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=argparse.FileType())
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    # The same file for the same results.
    matplotlib.rcParams["svg.hashsalt"] = "wgpu-rnn"
    matplotlib.rcParams["font.family"] = "sans-serif"
    results = [json.load(file) for file in options.results]
    figure, rows = pyplot.subplots(
        len(results), 2, figsize=(10, 0.6 + 2.7 * len(results)), sharey=True, squeeze=False, layout="constrained"
    )
    for row, result in zip(rows, results):
        for threads, axes in zip((1, 2), row):
            factors = [factor for factor in result["factors"] if factor["threads"] == threads]
            draw(axes, factors, f"{result['processor']}, {threads} thread{'s'[: threads - 1]}")
    figure.suptitle("CPU backend: times as fast as the faster of PyTorch and ONNX Runtime", fontsize=13)
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(options.output, metadata={"Date": None})


main()
