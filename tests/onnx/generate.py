"""Writes the ONNX models of this folder, and what PyTorch computes of their recurrent layers.

    python generate.py OUT_DIR        # needs torch, onnx, onnxscript, onnxruntime, numpy, safetensors

NAME.onnx is a model, NAME.safetensors one forward pass of its layer: `input` [N, T, I], `h_0` [L*D, N, H] and `c_0`
where the model takes them, `lengths` [N] likewise, and the results in f64, `output_f64` [N, T, D*H], `h_n_f64` and
`c_n_f64`, computed by the module that the model was exported from or, for the models made by hand, by one that has the
same weights. The metadata has the module as `config`, and as `node` the node to choose where there are several layers.

Every model is run by ONNX Runtime, too, which must agree; where it cannot run one (f16, bf16, f64, layout 1), the
reference evaluator of the package `onnx` must.
"""

import io
import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

N, T, I, H = 3, 5, 3, 4
OUT = pathlib.Path(sys.argv[1])


class Packed(torch.nn.Module):
    """A layer over packed sequences."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=self.layer.batch_first)
        y, state = self.layer(packed)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=self.layer.batch_first)
        return y, state


class Between(torch.nn.Module):
    """Two layers with something between them."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.LSTM(I, H, batch_first=True)
        self.decoder = torch.nn.GRU(H, H, num_layers=2, batch_first=True)

    def forward(self, x):
        return self.decoder(torch.relu(self.encoder(x)[0]))[0]


def layer(cell, **options):
    torch.manual_seed(len(str(options)))
    return getattr(torch.nn, cell)(I, H, **options).eval()


def case(module, batch, given):
    """The arrays of a case: input batch-first, results of the module in f64."""
    torch.manual_seed(1)
    states = module.num_layers * (2 if module.bidirectional else 1)
    arrays = {"input": torch.randn(batch, T, module.input_size)}
    if "states" in given:
        arrays["h_0"] = torch.randn(states, batch, H)
        if isinstance(module, torch.nn.LSTM):
            arrays["c_0"] = torch.randn(states, batch, H)
    if "lengths" in given:
        arrays["lengths"] = torch.tensor([5, 4, 2])
    double = getattr(torch.nn, type(module).__name__)(**options_of(module)).double().eval()
    double.load_state_dict({name: values.double() for name, values in module.state_dict().items()})
    double.batch_first = True
    state = tuple(arrays[name].double() for name in ("h_0", "c_0") if name in arrays) or None
    state = state[0] if state and len(state) == 1 else state
    x = arrays["input"].double()
    if "lengths" in arrays:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, arrays["lengths"], batch_first=True)
    with torch.no_grad():
        y, final = double(x, state)
    if "lengths" in arrays:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    final = final if isinstance(final, tuple) else (final,)
    arrays |= dict(zip(("output_f64", "h_n_f64", "c_n_f64"), (y, *final)))
    return {name: values.contiguous().numpy() for name, values in arrays.items()}


def options_of(module):
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional"]
    options = {name: getattr(module, name) for name in names}
    return options | ({"nonlinearity": module.nonlinearity} if isinstance(module, torch.nn.RNN) else {})


def config(module):
    text = f"{type(module).__name__}({module.input_size}, {module.hidden_size}"
    text += f", num_layers={module.num_layers}" if module.num_layers > 1 else ""
    text += ", nonlinearity='relu'" if getattr(module, "nonlinearity", "") == "relu" else ""
    text += "" if module.bias else ", bias=False"
    return text + (", bidirectional=True)" if module.bidirectional else ")")


def agree(name, model, feeds, expected):
    """Whether the model's first output is what PyTorch says."""
    proto = model.SerializeToString()
    try:
        found = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
    except Exception as error:  # no kernel for the element type, layout or opset
        print(f"{name}: by the reference evaluator, since {str(error).splitlines()[0][:90]}")
        found = ReferenceEvaluator(model).run(None, feeds)[0]
    worst = np.abs(found.astype(np.float64).reshape(expected.shape) - expected).max()
    assert worst < 2e-3 if found.dtype == np.float16 else worst < 1e-5, (name, worst)


def write(name, model, module, arrays, node=None):
    metadata = {"config": config(module), "torch": torch.__version__} | ({"node": node} if node else {})
    save_file(arrays, OUT / f"{name}.safetensors", metadata)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def stripped(model):
    """Without the paths and stack traces that exporters write."""
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in model.graph.value_info:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    return model


def exported(name, module, dynamo, opset=17, dynamic=True, batch=N, given=()):
    """A module as one of PyTorch's two exporters writes it."""
    arrays = case(module, batch, given)
    order = (lambda x: x) if module.batch_first else (lambda x: x.swapaxes(0, 1))
    x = torch.from_numpy(np.ascontiguousarray(order(arrays["input"])))
    inputs, names, wrapped = [x], ["x"], module
    if "lengths" in given:
        inputs, names, wrapped = [x, torch.from_numpy(arrays["lengths"])], ["x", "lengths"], Packed(module)
    elif "states" in given:
        states = [torch.from_numpy(arrays[n]) for n in ("h_0", "c_0") if n in arrays]
        inputs.append(tuple(states) if len(states) > 1 else states[0])
        names += ["h_0", "c_0"][: len(states)]
    if dynamo:
        dims = {0: torch.export.Dim("a"), 1: torch.export.Dim("b")}
        shapes = {"dynamic_shapes": (dims,)} if dynamic else {}
        model = torch.onnx.export(wrapped, tuple(inputs), dynamo=True, verbose=False, opset_version=opset, **shapes)
        model = model.model_proto
    else:
        file = io.BytesIO()
        axes = {"x": {0: "a", 1: "b"}, "lengths": {0: "n"}} if dynamic else None
        axes = axes and {key: value for key, value in axes.items() if key in names}
        torch.onnx.export(
            wrapped, tuple(inputs), file, dynamo=False, opset_version=opset, input_names=names, dynamic_axes=axes
        )
        model = onnx.load_from_string(file.getvalue())
    flat = [x] + [torch.from_numpy(arrays[n]) for n in ("lengths", "h_0", "c_0") if n in arrays]
    feeds = {i.name: v.numpy() for i, v in zip(model.graph.input, flat)}
    agree(name, model, feeds, order(arrays["output_f64"]))
    write(name, stripped(model), module, arrays)


def gates(module, kind, reverse, lstm=(0, 3, 1, 2), gru=(1, 0, 2)):
    """A parameter of layer 0 in ONNX's order of gates."""
    values = module.state_dict()[f"{kind}_l0" + ("_reverse" if reverse else "")]
    orders = {"LSTM": lstm, "GRU": gru, "RNN": (0,)}
    blocks = values.split(module.hidden_size)
    return torch.cat([blocks[gate] for gate in orders[type(module).__name__]])


def tensor(name, values, element, typed):
    """A TensorProto with raw values, or in the field of its type."""
    bits = {TensorProto.FLOAT16: torch.float16, TensorProto.BFLOAT16: torch.bfloat16, TensorProto.DOUBLE: torch.float64}
    values = values.to(bits.get(element, torch.float32))
    if element == TensorProto.BFLOAT16:
        array = values.view(torch.int16).numpy().view(np.uint16)
    else:
        array = values.numpy()
    proto = TensorProto(name=name, dims=array.shape, data_type=element)
    if not typed:
        proto.raw_data = array.tobytes()
    elif element in (TensorProto.FLOAT16, TensorProto.BFLOAT16):
        proto.int32_data.extend(array.view(np.uint16).flatten().tolist())
    elif element == TensorProto.DOUBLE:
        proto.double_data.extend(array.flatten().tolist())
    else:
        proto.float_data.extend(array.flatten().tolist())
    return proto


def by_hand(name, module, opset, element=TensorProto.FLOAT, typed=False, constants=False, layout=0, sizeless=False):
    """A graph of one node with the module's weights."""
    with torch.no_grad():
        for values in module.parameters():  # what the file can hold
            kind = {TensorProto.FLOAT16: torch.float16, TensorProto.BFLOAT16: torch.bfloat16}.get(element)
            values.copy_(values.to(kind).float() if kind else values)
    reverses = (False, True) if module.bidirectional else (False,)
    stack = lambda kind: torch.stack([gates(module, kind, reverse) for reverse in reverses])
    tensors = [("W", stack("weight_ih")), ("R", stack("weight_hh"))]
    if module.bias:
        tensors.append(("B", torch.cat([stack("bias_ih"), stack("bias_hh")], dim=1)))
    protos = [tensor(key, values, element, typed) for key, values in tensors]
    attributes = {"direction": "bidirectional"} if module.bidirectional else {}
    attributes |= {} if sizeless else {"hidden_size": H}
    attributes |= {"linear_before_reset": 1} if isinstance(module, torch.nn.GRU) else {}
    attributes |= {"layout": 1} if layout else {}
    if getattr(module, "nonlinearity", "tanh") == "relu":
        attributes["activations"] = ["Relu"] * len(reverses)
    node = helper.make_node(type(module).__name__, ["x", *(p.name for p in protos)], ["y", "y_h"], **attributes)
    nodes = [helper.make_node("Constant", [], [p.name], value=p) for p in protos] if constants else []
    shape = [N, T, I] if layout else [T, N, I]
    io = [helper.make_tensor_value_info("x", element, shape)], [helper.make_tensor_value_info("y", element, None)]
    graph = helper.make_graph([*nodes, node], "one", *io, initializer=[] if constants else protos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = min(model.ir_version, 10)
    arrays = case(module, N, ())
    x = arrays["input"] if layout else np.ascontiguousarray(arrays["input"].swapaxes(0, 1))
    d = len(reverses)
    y = arrays["output_f64"].reshape(N, T, d, H)
    y = y if layout else y.transpose(1, 2, 0, 3)
    if element != TensorProto.BFLOAT16:  # which neither can run
        agree(name, model, {"x": x.astype(helper.tensor_dtype_to_np_dtype(element))}, y)
    write(name, model, module, arrays)


def between():
    """Two layers that are not one: the second is the case."""
    torch.manual_seed(7)
    module = Between().eval()
    file = io.BytesIO()
    x = torch.randn(N, T, I)
    torch.onnx.export(module, (x,), file, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes={"x": {0: "n", 1: "t"}})
    model = stripped(onnx.load_from_string(file.getvalue()))
    agree("between", model, {"x": x.numpy()}, module(x).detach().double().numpy())
    node = next(node.name for node in model.graph.node if node.op_type == "GRU")
    write("between", model, module.decoder, case(module.decoder, N, ()), node)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    both = {"bidirectional": True, "batch_first": True}
    for exporter in ("torchscript", "dynamo"):
        dynamo = exporter == "dynamo"
        opset = 20 if dynamo else 17
        # The newer exporter writes an RNN's steps out one by one, and no node RNN.
        for cell in ("LSTM", "GRU") if dynamo else ("LSTM", "GRU", "RNN"):
            name = f"{cell.lower()}_{exporter}"
            relu = {"nonlinearity": "relu"} if cell == "RNN" else {}
            exported(name, layer(cell, num_layers=2, dropout=0.1), dynamo, opset)
            exported(f"{name}_batch_first_bidirectional", layer(cell, num_layers=2, **both, **relu), dynamo, opset)
        exported(f"lstm_{exporter}_static", layer("LSTM", num_layers=3), dynamo, opset, dynamic=False, batch=1)
        exported(f"gru_{exporter}_static", layer("GRU", num_layers=2, **both), dynamo, opset, dynamic=False)
        exported(f"lstm_{exporter}_one", layer("LSTM", bias=False), dynamo, opset)
        exported(f"lstm_{exporter}_states", layer("LSTM", num_layers=2), dynamo, opset, dynamic=False, given=["states"])
    exported("gru_torchscript_states", layer("GRU", num_layers=2, **both), False, given=["states"])
    exported("gru_torchscript_lengths", layer("GRU", num_layers=2, **both), False, given=["lengths"])
    # Before opset 9 the exporter leaves slices of the weights in the graph.
    exported("lstm_opset_7", layer("LSTM", num_layers=2, bidirectional=True), False, 7, dynamic=False, given=["states"])
    exported("gru_opset_8", layer("GRU", num_layers=2), False, 8, dynamic=False, given=["states"])
    exported("lstm_opset_9", layer("LSTM", num_layers=2, bidirectional=True), False, 9, dynamic=False, given=["states"])
    exported("gru_opset_14", layer("GRU", num_layers=2, dropout=0.1), False, 14)
    exported("gru_opset_22", layer("GRU", num_layers=2), True, 22)
    newest = onnx.defs.onnx_opset_version()
    by_hand("lstm_newest", layer("LSTM", bidirectional=True), newest, sizeless=True)
    by_hand("lstm_f16_raw", layer("LSTM"), 14, TensorProto.FLOAT16)
    by_hand("gru_f16_typed", layer("GRU", bidirectional=True), 14, TensorProto.FLOAT16, typed=True)
    by_hand("rnn_bf16_typed", layer("RNN", nonlinearity="relu"), 22, TensorProto.BFLOAT16, typed=True)
    by_hand("lstm_f64_raw", layer("LSTM"), 14, TensorProto.DOUBLE)
    by_hand("rnn_f64_typed", layer("RNN", bidirectional=True), 14, TensorProto.DOUBLE, typed=True)
    by_hand("gru_f32_typed", layer("GRU"), 7, typed=True)
    by_hand("gru_constants", layer("GRU", bidirectional=True, bias=False), 13, constants=True)
    by_hand("lstm_layout_1", layer("LSTM", bidirectional=True), 14, layout=1)
    between()


main()
