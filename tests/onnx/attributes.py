"""Random recurrent nodes over all attributes, and what ONNX Runtime's CPU provider makes of them.

    python attributes.py OUT_DIR [SEED]        # needs onnx, onnxruntime, numpy, safetensors

Each case is a model NN.onnx of one node and NN.safetensors with its inputs and outputs in ONNX's layout (X, sequence_lens,
initial_h, initial_c, Y, Y_h, Y_c). The first 48 take RNN, GRU and LSTM in turn, with linear_before_reset = 1; 24 GRUs with
linear_before_reset = 0 follow.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

# Name, and values of alpha and beta to draw from; none where the function does not take it.
FUNCTIONS = [
    ("Relu", None, None),
    ("Tanh", None, None),
    ("Sigmoid", None, None),
    ("Affine", (0.5, 0.9), (-0.2, 0.2)),
    ("LeakyRelu", (0.01, 0.3), None),
    ("ThresholdedRelu", (0.05, 0.3), None),
    ("ScaledTanh", (0.7, 1.3), (0.5, 1.2)),
    ("HardSigmoid", (0.1, 0.4), (0.3, 0.6)),
    ("Elu", (0.5, 1.2), None),
    ("Softsign", None, None),
    ("Softplus", None, None),
]
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PLACES = {"RNN": 1, "GRU": 2, "LSTM": 3}
T, N, I, H = 5, 3, 4, 5


def draw(rng, op, linear_before_reset):
    """One case: the model and its inputs."""
    direction = ["forward", "reverse", "bidirectional"][rng.integers(3)]
    d = 2 if direction == "bidirectional" else 1
    attributes = {"hidden_size": H, "direction": direction}
    if rng.random() < 0.8:
        chosen = [FUNCTIONS[rng.integers(len(FUNCTIONS))] for _ in range(d * PLACES[op])]
        attributes["activations"] = [name for name, _, _ in chosen]
        alphas = [float(np.float32(rng.uniform(*alpha))) for _, alpha, _ in chosen if alpha]
        betas = [float(np.float32(rng.uniform(*beta))) for _, _, beta in chosen if beta]
        if alphas:
            attributes["activation_alpha"] = alphas
        if betas:
            attributes["activation_beta"] = betas
    if rng.random() < 0.4:
        attributes["clip"] = float(np.float32(rng.uniform(0.2, 1.5)))
    if op == "GRU":
        attributes["linear_before_reset"] = linear_before_reset
    if op == "LSTM" and rng.random() < 0.4:
        attributes["input_forget"] = 1
    rows = GATES[op] * H
    values = lambda *shape: rng.uniform(-0.6, 0.6, shape).astype(np.float32)
    constants = {"W": values(d, rows, I), "R": values(d, rows, H)}
    if rng.random() < 0.7:
        constants["B"] = values(d, 2 * rows)
    feeds = {"X": values(T, N, I) * 3}
    if rng.random() < 0.5:
        feeds["sequence_lens"] = rng.integers(1, T + 1, N).astype(np.int32)
    if rng.random() < 0.6:
        feeds["initial_h"] = values(d, N, H)
    if op == "LSTM" and rng.random() < 0.6:
        feeds["initial_c"] = values(d, N, H)
    if op == "LSTM" and rng.random() < 0.5:
        constants["P"] = values(d, 3 * H)
    return op, attributes, constants, feeds


def model_of(op, attributes, constants, feeds):
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h"] + (["initial_c", "P"] if op == "LSTM" else [])
    inputs = [name if name in constants or name in feeds else "" for name in names]
    while not inputs[-1]:
        inputs.pop()
    outputs = ["Y", "Y_h"] + (["Y_c"] if op == "LSTM" else [])
    kind = lambda array: helper.np_dtype_to_tensor_dtype(array.dtype)
    graph = helper.make_graph(
        [helper.make_node(op, inputs, outputs, name="node", **attributes)],
        "attributes",
        [helper.make_tensor_value_info(name, kind(array), array.shape) for name, array in feeds.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in zip(outputs, [4, 3, 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    return model, outputs


def main():
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    out.mkdir(parents=True, exist_ok=True)
    kinds = [(op, 1) for op in ["RNN", "GRU", "LSTM"]] * 16 + [("GRU", 0)] * 24
    for number, kind in enumerate(kinds):
        case = draw(rng, *kind)
        model, outputs = model_of(*case)
        feeds = case[3]
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        found = dict(zip(outputs, session.run(outputs, feeds)))
        onnx.save(model, out / f"{number:02}.onnx")
        save_file({**feeds, **found}, out / f"{number:02}.safetensors", {"onnxruntime": onnxruntime.__version__})


main()
