"""The ONNX project's own node tests of RNN, GRU and LSTM.

    python node_tests.py OUT_DIR        # needs onnx, numpy, safetensors

They come from `onnx.backend.test.case.node` (Apache-2.0, https://github.com/onnx/onnx), which has the weights as inputs of the
graph: here they are initializers. Each test is NAME.onnx and NAME.safetensors with the other inputs and the outputs, as the
node names them.
"""

import pathlib
import sys

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from safetensors.numpy import save_file

WEIGHTS = {"W", "R", "B", "P"}
INPUTS = {"RNN": ["X", "W", "R", "B", "sequence_lens", "initial_h"]}
INPUTS["GRU"] = INPUTS["RNN"]
INPUTS["LSTM"] = INPUTS["RNN"] + ["initial_c", "P"]
OUTPUTS = ["Y", "Y_h", "Y_c"]


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for case in collect_testcases(None):
        op = case.model.graph.node[0].op_type if case.model is not None else None
        if op not in INPUTS:
            continue
        model, (inputs, outputs) = case.model, case.data_sets[0]
        node = model.graph.node[0]
        # The operator's names in place of the test's.
        names = {given: name for given, name in zip(node.input, INPUTS[op]) if given}
        names |= {given: name for given, name in zip(node.output, OUTPUTS) if given}
        given = dict(zip([names[value.name] for value in model.graph.input], inputs))
        found = dict(zip([names[value.name] for value in model.graph.output], outputs))
        for value in [*model.graph.input, *model.graph.output]:
            value.name = names[value.name]
        for kind in (node.input, node.output):
            for place, name in enumerate(kind):
                kind[place] = names.get(name, "")
        kept = [value for value in model.graph.input if value.name not in WEIGHTS]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in given.items() if name in WEIGHTS
        )
        onnx.checker.check_model(model)
        onnx.save(model, out / f"{case.name}.onnx")
        arrays = {name: array for name, array in given.items() if name not in WEIGHTS} | found
        save_file({name: array.copy(order="C") for name, array in arrays.items()}, out / f"{case.name}.safetensors")


main()
