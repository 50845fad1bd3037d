"""Models whose weights, states or nodes are where exporters and optimisers put them, and what ONNX Runtime computes.

    python graphs.py OUT_DIR        # needs onnx, onnxruntime, numpy, safetensors

Each case is a model NAME.onnx and NAME.safetensors with the inputs and outputs of its layer in ONNX's layout (X, and Y,
Y_h and Y_c). The outputs are those of a plain node that has the same weights and states as initializers. ONNX Runtime
also runs the model itself and must agree, except where the metadata has `only` (the models that it does not run, or
that it runs in eight bits). The metadata has the node to choose as `node` where there are several layers.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

T, N, I, H = 4, 3, 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
node = helper.make_node
info = helper.make_tensor_value_info
ints = lambda *values: np.array(values, np.int64)
onnxruntime.set_default_logger_severity(4)


def tensor(name, array):
    return numpy_helper.from_array(np.asarray(array, order="C"), name)


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feeds)))


def model_of(nodes, tensors, opset=14, outputs=("Y", "Y_h"), inputs=(), functions=(), domains=()):
    graph = helper.make_graph(
        nodes,
        "graph",
        [info("X", TensorProto.FLOAT, ["t", "n", I]), *inputs],
        [info(name, TensorProto.FLOAT, None) for name in outputs],
        [array if isinstance(array, TensorProto) else tensor(name, array) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))


class Case:
    """A layer of random weights."""

    def __init__(self, op, seed, directions=1, n=N):
        rng = np.random.default_rng(seed)
        values = lambda *shape: rng.uniform(-0.6, 0.6, shape).astype(np.float32)
        self.op, self.d, self.rng, self.values, self.n = op, directions, rng, values, n
        rows = GATES[op] * H
        self.w, self.r, self.b = values(directions, rows, I), values(directions, rows, H), values(directions, 2 * rows)
        self.x = values(T, n, I) * 3
        self.attributes = {"hidden_size": H}
        if directions == 2:
            self.attributes["direction"] = "bidirectional"
        if op == "GRU":
            self.attributes["linear_before_reset"] = 1
        self.state = {}

    def layer(self, w="W", r="R", b="B", lengths="", h="", c="", name="layer", outputs=("Y", "Y_h"), x="X"):
        inputs = [x, w, r, b, lengths, h, c]
        while not inputs[-1]:
            inputs.pop()
        return node(self.op, inputs, list(outputs), name=name, **self.attributes)

    def tensors(self, **changed):
        """The initializers of a plain node, with some of them replaced; None takes one away."""
        all = {"W": self.w, "R": self.r, "B": self.b, **changed}
        return {name: array for name, array in all.items() if array is not None}

    def results(self):
        """What a plain node gives, whose weights and states are initializers."""
        lstm = self.op == "LSTM"
        outputs = ("Y", "Y_h", "Y_c") if lstm else ("Y", "Y_h")
        names = {key: key for key in self.state}
        plain = self.layer(
            lengths=names.get("lengths", ""), h=names.get("h", ""), c=names.get("c", ""), outputs=outputs
        )
        return run(model_of([plain], self.tensors(**self.state), outputs=outputs), {"X": self.x})


def save(name, case, model, only=None, feeds=None, **metadata):
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    expected = case.results()
    if only is None:
        found = run(model, {"X": case.x, **(feeds or {})})
        for output in {"Y", "Y_h"} & set(found):
            difference = np.abs(found[output] - expected[output]).max()
            assert difference < 2e-6, (name, output, difference)
    else:
        metadata["only"] = only
    if not (out / f"{name}.onnx").exists():
        onnx.save(model, out / f"{name}.onnx")
    metadata["onnxruntime"] = onnxruntime.__version__
    save_file({"X": case.x, **expected}, out / f"{name}.safetensors", metadata)


def weights():
    """Weights that the graph computes."""
    case = Case("LSTM", 1, 2)
    half = lambda array: array.astype(np.float16)
    case.w, case.r, case.b = (half(array).astype(np.float32) for array in (case.w, case.r, case.b))
    casts = [node("Cast", [name + "16"], [name], to=1) for name in "WRB"]
    save("cast", case, model_of([*casts, case.layer()], {"W16": half(case.w), "R16": half(case.r), "B16": half(case.b)}))

    # Each gate of PyTorch's order on its own, as an exporter leaves it that folds nothing.
    case = Case("LSTM", 2)
    torch = lambda array: np.concatenate([array[0][place * H : (place + 1) * H] for place in (0, 2, 3, 1)])
    tensors = {"w": torch(case.w), "r": torch(case.r), "zero": ints(0)}
    nodes = []
    for name in "wr":
        parts = [f"{name}{gate}" for gate in "ifgo"]
        nodes.append(node("Split", [name], parts, axis=0))
        nodes.append(node("Concat", [parts[0], parts[3], parts[1], parts[2]], [name + "_"], axis=0))
        nodes.append(node("Unsqueeze", [name + "_", "zero"], [name.upper()]))
    save("split_and_concat", case, model_of([*nodes, case.layer()], case.tensors(W=None, R=None, **tensors)))

    # Transposed weights side by side, as converters from other frameworks make them; zeros as biases.
    case = Case("GRU", 3, 2)
    case.b = np.zeros_like(case.b)
    tensors = {"both": np.concatenate([case.w, case.r], 2).transpose(0, 2, 1), "shape": ints(2, 24), "w": ints(0, I, 1), "r": ints(I, I + H, 1)}
    nodes = [
        node("Transpose", ["both"], ["all"], perm=[0, 2, 1]),
        node("Slice", ["all", "w0", "w1", "axis"], ["W"]),
        node("Slice", ["all", "w1", "end", "axis"], ["R"]),
        node("ConstantOfShape", ["shape"], ["B"]),
    ]
    del tensors["w"], tensors["r"]
    tensors |= {"w0": ints(0), "w1": ints(I), "end": ints(2**63 - 1), "axis": ints(-1)}
    save("transposed", case, model_of([*nodes, case.layer()], tensors))

    # Weight normalisation: g * v / |v| over all but the first axis.
    case = Case("RNN", 4)
    v, g = case.values(H, I), case.values(H, 1)
    norm = np.sqrt((v.astype(np.float64) ** 2).sum(1, keepdims=True))
    case.w = (v * (g / norm)).astype(np.float32)[None]
    nodes = [
        node("ReduceL2", ["v"], ["norm"], axes=[1], keepdims=1),
        node("Div", ["g", "norm"], ["ratio"]),
        node("Mul", ["v", "ratio"], ["w"]),
        node("Unsqueeze", ["w", "zero"], ["W"]),
    ]
    save("weight_norm", case, model_of([*nodes, case.layer()], case.tensors(W=None, v=v, g=g, zero=ints(0))))

    # A bit of everything else.
    case = Case("LSTM", 5)
    nodes = [
        node("Constant", [], ["half"], value_float=0.5),
        node("Sub", ["W2", "W1"], ["W3"]),
        node("Where", ["mask", "W3", "W1"], ["W4"]),
        node("Add", ["W4", "zeros"], ["W"]),
        node("Shape", ["R1"], ["shape"]),
        node("Gather", ["shape", "order"], ["swapped"]),
        node("Reshape", ["flat", "swapped"], ["R2"]),
        node("Transpose", ["R2"], ["R3"], perm=[0, 2, 1]),
        node("Mul", ["R3", "half"], ["R"]),
        node("Slice", ["B1", "last", "first", "axis", "back"], ["B2"]),
        node("Tile", ["B2", "twice"], ["B3"]),
        node("Gather", ["B3", "places"], ["B"], axis=1),
    ]
    rows = 4 * H
    case.b[:, rows:] = case.b[:, :rows]
    tensors = {
        "W2": case.w * 2, "W1": case.w, "mask": np.arange(I) % 2 == 0, "zeros": np.zeros((1, 1, 1), np.float32),
        "R1": case.r, "order": ints(0, 2, 1), "flat": (case.r * 2).transpose(0, 2, 1).reshape(-1),
        "B1": case.b[:, rows - 1 :: -1], "last": ints(-1), "first": ints(-(2**31)), "axis": ints(1), "back": ints(-1),
        "twice": ints(1, 2), "places": ints(*range(rows), *range(-rows, 0)),
    }
    save("arithmetic", case, model_of([*nodes, case.layer()], tensors))


def quantised():
    """Integers as weights."""

    def quantise(array, axis, dtype, symmetric):
        least, most = (np.iinfo(dtype).min, np.iinfo(dtype).max)
        along = tuple(a for a in range(array.ndim) if axis is None or a not in axis)
        low, high = np.minimum(array.min(along, keepdims=True), 0), np.maximum(array.max(along, keepdims=True), 0)
        if symmetric:
            scale = (np.maximum(-low, high) / most).astype(np.float32)
            zero = np.zeros_like(scale, dtype)
        else:
            scale = ((high - low) / (most - least)).astype(np.float32)
            zero = np.clip(np.round(least - low / scale), least, most).astype(dtype)
        q = np.clip(np.round(array / scale) + zero.astype(np.float32), least, most).astype(dtype)
        exact = (q.astype(np.int32) - zero.astype(np.int32)).astype(np.float32) * scale
        return q, scale, zero, exact

    for name, axis, dtype, symmetric in [
        ("tensor_int8", None, np.int8, True),
        ("tensor_uint8", None, np.uint8, False),
        ("channel_int8", (1,), np.int8, False),
        ("channel_uint16", (1,), np.uint16, False),
    ]:
        case = Case("LSTM", 10 + len(name))
        nodes, tensors = [], {}
        for letter in "wr":
            q, scale, zero, exact = quantise(getattr(case, letter), axis, dtype, symmetric)
            setattr(case, letter, exact)
            shape = (-1,) if axis else ()
            tensors |= {f"{letter}q": q, f"{letter}s": scale.reshape(shape), f"{letter}z": zero.reshape(shape)}
            inputs = [f"{letter}q", f"{letter}s"] + ([] if symmetric else [f"{letter}z"])
            nodes.append(node("DequantizeLinear", inputs, [letter.upper()], axis=1))
        opset = 21 if dtype == np.uint16 else 13
        save(f"qdq_{name}", case, model_of([*nodes, case.layer()], case.tensors(W=None, R=None, **tensors), opset))

    # Floats that the graph quantises and dequantises.
    case = Case("GRU", 20)
    q, scale, zero, exact = quantise(case.r, None, np.uint8, False)
    tensors = {"r": case.r, "s": scale.reshape(()), "z": zero.reshape(())}
    case.r = exact
    nodes = [node("QuantizeLinear", ["r", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["R"])]
    save("qdq_of_floats", case, model_of([*nodes, case.layer()], case.tensors(R=None, **tensors), 13))

    # ONNX Runtime's own operator: [D, I, 4*H], with a scale for each direction or for each of the 4*H rows.
    for name, axis, dtype, symmetric in [("dynamic_uint8", (0,), np.uint8, False), ("dynamic_rows_int8", (0, 2), np.int8, True)]:
        case = Case("LSTM", 30 + len(name), 2)
        tensors = {}
        for letter in "wr":
            transposed = getattr(case, letter).transpose(0, 2, 1)
            q, scale, zero, exact = quantise(transposed, axis, dtype, symmetric)
            setattr(case, letter, np.ascontiguousarray(exact.transpose(0, 2, 1)))
            shape = (2,) if len(axis) == 1 else (2, 4 * H)
            tensors |= {f"{letter}q": q, f"{letter}s": scale.reshape(shape), f"{letter}z": zero.reshape(shape)}
        inputs = ["X", "wq", "rq", "B", "", "", "", "", "ws", "wz", "rs", "rz"]
        layer = node("DynamicQuantizeLSTM", inputs, ["Y", "Y_h"], domain="com.microsoft", name="layer", **case.attributes)
        model = model_of([layer], {"B": case.b, **tensors}, domains=["com.microsoft"])
        found, expected = run(model, {"X": case.x}), case.results()
        difference = np.abs(found["Y"] - expected["Y"]).max()
        print(f"{name}: ONNX Runtime quantises the activations, too, which changes Y by up to {difference:.1e}")
        assert 0 < difference < 0.05
        save(f"{name}", case, model, only="in eight bits")


def inside():
    """Nodes inside graphs and functions."""
    case = Case("LSTM", 40)
    other = Case("LSTM", 41)
    graph = lambda name, nodes, inputs=(), outputs=("y",), tensors=(): helper.make_graph(
        nodes, name, list(inputs), [info(output, TensorProto.FLOAT, None) for output in outputs], list(tensors)
    )
    yes = graph("yes", [case.layer(outputs=["y"])])
    no = graph("no", [other.layer(w="W1", r="R1", b="B1", outputs=["y"])], tensors=[tensor("W1", other.w), tensor("R1", other.r), tensor("B1", other.b)])
    condition = info("condition", TensorProto.BOOL, [])
    branch = node("If", ["condition"], ["Y"], name="If_0", then_branch=yes, else_branch=no)
    model = model_of([branch], case.tensors(), outputs=["Y"], inputs=[condition])
    save("if", case, model, feeds={"condition": np.array(True)}, node="If_0/then_branch/layer")
    inner = graph("inner", [branch], outputs=["Y"])
    inner.node[0].name = "If_1"
    outer = node("If", ["condition"], ["Y"], name="outer", then_branch=inner, else_branch=graph("none", [node("Identity", ["X"], ["y"])]))
    model = model_of([outer], case.tensors(), outputs=["Y"], inputs=[condition])
    save("if_in_if", case, model, feeds={"condition": np.array(True)}, node="outer/then_branch/If_1/then_branch/layer")

    body = graph(
        "body",
        [node("Identity", ["go"], ["on"]), case.layer(outputs=["y"])],
        [info("index", TensorProto.INT64, []), info("go", TensorProto.BOOL, [])],
    )
    body.output.insert(0, info("on", TensorProto.BOOL, []))
    loop = [node("Loop", ["count", ""], ["all"], name="loop", body=body), node("Squeeze", ["all", "zero"], ["Y"])]
    tensors = case.tensors(count=np.array(1, np.int64), zero=ints(0))
    save("loop", case, model_of(loop, tensors, outputs=["Y"]), node="loop/body/layer")

    body = graph("body", [node("Identity", ["x"], ["z"]), case.layer(x="z", outputs=["y"])], [info("x", TensorProto.FLOAT, None)])
    scan = [
        node("Unsqueeze", ["X", "zero"], ["batch"]),
        node("Scan", ["batch"], ["all"], name="scan", body=body, num_scan_inputs=1),
        node("Squeeze", ["all", "zero"], ["Y"]),
    ]
    save("scan", case, model_of(scan, case.tensors(zero=ints(0)), outputs=["Y"]), node="scan/body/layer")

    # A stack of two layers through functions that call each other.
    upper = Case("GRU", 42)
    upper.w = upper.values(1, 3 * H, H)
    one = helper.make_function(
        "local", "One", ["x", "w", "r", "b"], ["y"],
        [node("GRU", ["x", "w", "r", "b"], ["a"], name="gru", hidden_size=H, linear_before_reset=1), node("Constant", [], ["axes"], value_ints=[1]), node("Squeeze", ["a", "axes"], ["y"])],
        [helper.make_opsetid("", 14)],
    )
    two = helper.make_function(
        "local", "Two", ["x", "w", "r", "b", "w1", "r1", "b1"], ["y"],
        [node("One", ["x", "w", "r", "b"], ["a"], name="lower", domain="local"), node("One", ["a", "w1", "r1", "b1"], ["y"], name="upper", domain="local")],
        [helper.make_opsetid("", 14), helper.make_opsetid("local", 1)],
    )
    lower = Case("GRU", 43)
    call = [node("Two", ["X", "W", "R", "B", "W1", "R1", "B1"], ["y"], name="two", domain="local"), node("Unsqueeze", ["y", "one"], ["Y"])]
    tensors = {"W": lower.w, "R": lower.r, "B": lower.b, "W1": upper.w, "R1": upper.r, "B1": upper.b, "one": ints(1)}
    model = model_of(call, tensors, outputs=["Y"], functions=[one, two], domains=["local"])
    below = lower.results()
    plain = node("GRU", ["X", "W", "R", "B"], ["Y", "Y_h"], **upper.attributes)
    feeds = {"X": below["Y"][:, 0]}
    graph = helper.make_graph([plain], "g", [info("X", 1, None)], [info("Y", 1, None), info("Y_h", 1, None)], [tensor(k, v) for k, v in upper.tensors().items()])
    above = run(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10), feeds)
    lower.results = lambda: {"Y": above["Y"], "Y_h": np.concatenate([below["Y_h"], above["Y_h"]])}
    save("functions", lower, model, node="two/lower/gru")


def states():
    """Constant states and lengths."""
    case = Case("LSTM", 50)
    case.state = {"h": case.values(1, N, H), "c": case.values(1, N, H)}
    save("constant_states", case, model_of([case.layer(h="h", c="c")], case.tensors(**case.state)))
    case = Case("LSTM", 51, 2)
    case.state = {"c": case.values(2, N, H)}
    save("constant_c", case, model_of([case.layer(c="c")], case.tensors(**case.state)))
    case = Case("GRU", 52, 2)
    case.state = {"lengths": np.array([2, 4, 1], np.int32)}
    save("constant_lengths", case, model_of([case.layer(lengths="lengths")], case.tensors(**case.state)))

    # A learned state that the graph repeats for each row, in the ways of two exporters.
    case = Case("GRU", 53)
    learned = case.values(1, 1, H)
    case.state = {"h": np.repeat(learned, N, 1)}
    nodes = [
        node("Shape", ["X"], ["size"], start=1, end=2),
        node("Concat", ["one", "size", "h_size"], ["shape"], axis=0),
        node("Expand", ["learned", "shape"], ["h"]),
    ]
    tensors = case.tensors(learned=learned, one=ints(1), h_size=ints(H))
    save("learned_state", case, model_of([*nodes, case.layer(h="h")], tensors, 15))
    case = Case("LSTM", 54, 2)
    learned = case.values(2, H)
    case.state = {"h": np.repeat(learned[:, None], N, 1), "c": np.repeat(learned[:, None] * 0.5, N, 1)}
    nodes = [
        node("Shape", ["X"], ["all"]),
        node("Gather", ["all", "at"], ["n"]),
        node("Unsqueeze", ["n", "zero"], ["rows"]),
        node("Concat", ["minus", "rows", "minus"], ["wanted"], axis=0),
        node("Equal", ["wanted", "minus"], ["keeps"]),
        node("ConstantOfShape", ["three"], ["ones"], value=tensor("", ints(1))),
        node("Where", ["keeps", "ones", "wanted"], ["shape"]),
        node("Unsqueeze", ["learned", "one"], ["single"]),
        node("Expand", ["single", "shape"], ["h"]),
        node("Mul", ["h", "half"], ["c"]),
    ]
    tensors = case.tensors(
        learned=learned, at=np.array(1, np.int64), zero=ints(0), one=ints(1), minus=ints(-1), three=ints(3), half=np.float32(0.5)
    )
    save("learned_states_where", case, model_of([*nodes, case.layer(h="h", c="c")], tensors, 13))


def external():
    """Weights beside the model, behind other bytes."""
    case = Case("LSTM", 60)
    data = b"\7" * 16
    tensors = {}
    for name, array in case.tensors().items():
        one = TensorProto(name=name, dims=array.shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        for key, value in [("location", "external.bin"), ("offset", len(data)), ("length", array.nbytes)]:
            one.external_data.add(key=key, value=str(value))
        tensors[name] = one
        data += array.tobytes() + b"\7" * 12
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "external.bin").write_bytes(data)
    onnx.save(model_of([case.layer()], tensors), out / "external.onnx")
    found = onnxruntime.InferenceSession(out / "external.onnx").run(["Y"], {"X": case.x})[0]
    assert np.abs(found - case.results()["Y"]).max() < 2e-6
    save("external", case, None, only="beside its data, as was checked")


weights()
quantised()
inside()
states()
external()
