"""The layers that compare.py measures: their sizes, weights, inputs and expected outputs."""

import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

# The name of a case, and its N, T, I, H, number of layers and number of directions.
CASES = {
    "tiny": (1, 100, 5, 8, 1, 1),
    "stream": (1, 1, 80, 256, 2, 1),
    "small": (1, 100, 64, 128, 1, 1),
    "seed": (128, 100, 20, 64, 1, 2),
    "speech": (8, 200, 80, 256, 2, 1),
    "wide": (32, 64, 512, 512, 1, 1),
    "long": (1, 4096, 64, 128, 1, 1),
    "big": (64, 128, 512, 1024, 1, 1),
}
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
# ONNX's order of the gates in terms of PyTorch's.
ONNX_GATES = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}


def module(cell, case):
    """Returns the untrained PyTorch module of a case."""
    _, _, inputs, hidden, layers, directions = CASES[case]
    return MODULES[cell](inputs, hidden, num_layers=layers, bidirectional=directions == 2, batch_first=True)


def write(folder, cell, case, rows=None):
    """Writes CELL_CASE.safetensors (a state_dict, the input `x` and the output `y` as computed in f64) and
    CELL_CASE.onnx. `rows` replaces the N of the case."""
    path = pathlib.Path(folder) / f"{cell}_{case}"
    rows = rows or CASES[case][0]
    _, steps, inputs, _, _, _ = CASES[case]
    torch.manual_seed(1234)
    layer = module(cell, case)
    weights = {name: value.clone() for name, value in layer.state_dict().items()}
    x = torch.randn(rows, steps, inputs)
    with torch.inference_mode():
        y = layer.double()(x.double())[0].float()
    save_file({**weights, "x": x, "y": y.contiguous()}, f"{path}.safetensors")
    onnx.save(graph(cell, case, rows, {name: value.numpy() for name, value in weights.items()}), f"{path}.onnx")


def gates(cell, value):
    """Returns a weight or bias with its gates in ONNX's order."""
    parts = np.split(value, len(ONNX_GATES[cell]))
    return np.concatenate([parts[gate] for gate in ONNX_GATES[cell]])


def graph(cell, case, rows, weights):
    """Returns an ONNX model with one node a layer."""
    _, steps, inputs, hidden, layers, directions = CASES[case]
    nodes = [helper.make_node("Transpose", ["x"], ["in0"], perm=[1, 0, 2])]
    values = [numpy_helper.from_array(np.array([0, 0, -1]), "shape")]
    options = {
        "rnn": {"activations": ["Tanh"] * directions},
        "lstm": {},
        "gru": {"linear_before_reset": 1},
    }[cell]
    for layer in range(layers):
        ends = [f"l{layer}", f"l{layer}_reverse"][:directions]
        get = lambda kind, end: gates(cell, weights[f"{kind}_{end}"])
        tensors = {
            "w": np.stack([get("weight_ih", end) for end in ends]),
            "r": np.stack([get("weight_hh", end) for end in ends]),
            "b": np.stack([np.concatenate([get("bias_ih", end), get("bias_hh", end)]) for end in ends]),
        }
        values += [numpy_helper.from_array(value, f"{name}{layer}") for name, value in tensors.items()]
        nodes += [
            helper.make_node(
                cell.upper(),
                [f"in{layer}", f"w{layer}", f"r{layer}", f"b{layer}"],
                [f"out{layer}"],
                hidden_size=hidden,
                direction="bidirectional" if directions == 2 else "forward",
                **options,
            ),
            # [T, D, N, H] to [T, N, D*H].
            helper.make_node("Transpose", [f"out{layer}"], [f"turned{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"turned{layer}", "shape"], [f"in{layer + 1}"]),
        ]
    nodes.append(helper.make_node("Transpose", [f"in{layers}"], ["y"], perm=[1, 0, 2]))
    tensor = lambda name, size: helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, steps, size])
    body = helper.make_graph(nodes, case, [tensor("x", inputs)], [tensor("y", directions * hidden)], values)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
