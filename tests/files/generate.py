"""Files as PyTorch and Keras write them, and what their layers compute.

python tests/files/generate.py tests/files

Needs torch, keras, h5py and safetensors. For each `NAME.EXTENSION` there is a `NAME.expected.safetensors` with input
(and lengths) and output; its metadata are the layer's configuration and the options with which the file is read.
"""

import argparse
import os
import pathlib
import sys
import types
import warnings

os.environ["KERAS_BACKEND"] = "torch"

import h5py
import keras
import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.utils import parametrizations

warnings.filterwarnings("ignore")
N, T, I, H = 2, 4, 3, 4
OUT = pathlib.Path(sys.argv[1])
torch.manual_seed(17)
rng = np.random.default_rng(17)
X = torch.randn(N, T, I)


def expect(name, output, config, x=X, **options):
    """Writes what a layer computes from the input."""
    output = torch.as_tensor(np.asarray(output.detach() if isinstance(output, torch.Tensor) else output))
    tensors = {"input": x.contiguous(), "output": output.float().contiguous()}
    save_file(tensors, OUT / f"{name}.expected.safetensors", {"config": config} | options)


def layer(kind="LSTM", *arguments, **options):
    return getattr(torch.nn, kind)(I, H, *arguments, batch_first=True, **options).eval()


def of_torch(name, module, config, saved, extension="pt", run=None, **options):
    """Saves `saved` with torch.save, unless it is a function that saves something to a path."""
    path = OUT / f"{name}.{extension}"
    saved(path) if isinstance(saved, types.FunctionType) else torch.save(saved, path)
    with torch.no_grad():
        output = run() if run else module(X)[0]
    expect(name, output, config, **options)


def legacy(value, **options):
    return lambda path: torch.save(value, path, _use_new_zipfile_serialization=False, **options)


def named(module, prefix=""):
    return {prefix + name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}


class Speaker(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = layer("LSTM")
        self.head = torch.nn.Linear(H, 2)

    def forward(self, x):
        return self.lstm(x)[0]


def pytorch():
    lstm = layer("LSTM")
    of_torch("state_dict", lstm, f"LSTM({I}, {H})", lstm.state_dict(), "pth")
    of_torch("state_dict_protocol_4", lstm, f"LSTM({I}, {H})", lambda path: torch.save(lstm.state_dict(), path, pickle_protocol=4))
    gru = layer("GRU", 2, bidirectional=True)
    config = f"GRU({I}, {H}, num_layers=2, bidirectional=True)"
    of_torch("legacy", gru, config, legacy(gru.state_dict()))
    nested = {"step": 3, "rate": 0.1, "args": argparse.Namespace(depth=2), "seen": np.float64(2.5), "model_state": gru.state_dict()}
    of_torch("legacy_nested", gru, config, legacy(nested), prefix="model_state")
    checkpoint = {
        "epoch": 1,
        "state_dict": named(gru, "encoder.rnn."),
        "ema": {"state_dict": named(layer("GRU", 2, bidirectional=True), "encoder.rnn.")},
        "optimizer_states": [torch.optim.Adam(gru.parameters()).state_dict()],
        "classes": {"a", "b"},
        "size": torch.Size([1, 2]),
    }
    of_torch("checkpoint", gru, config, checkpoint, "ckpt", prefix="state_dict")

    # All tensors are views of one storage, and some have other strides.
    storage = torch.randn(4 * H * (I + H + 2) + 5)
    start = 5
    views = {}
    for name, value in lstm.state_dict().items():
        part = storage[start : start + value.numel()]
        views[name] = part.view(value.shape[::-1]).t() if value.ndim == 2 else part
        start += value.numel()
    other = layer("LSTM")
    other.load_state_dict(views)
    of_torch("views", other, f"LSTM({I}, {H})", views, "bin")
    of_torch("views_legacy", other, f"LSTM({I}, {H})", legacy(views))
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        rounded = {name: value.to(kind) for name, value in lstm.state_dict().items()}
        other.load_state_dict({name: value.float() for name, value in rounded.items()})
        of_torch(f"half_{kind}".replace("half_torch.", ""), other, f"LSTM({I}, {H})", rounded)
    speaker = Speaker().eval()
    script = torch.jit.trace(speaker, X)
    of_torch("torchscript", speaker.lstm, f"LSTM({I}, {H})", lambda path: script.save(str(path)))
    of_torch("module", lstm, f"LSTM({I}, {H})", lstm)
    of_torch("module_legacy", lstm, f"LSTM({I}, {H})", legacy(torch.nn.Sequential(lstm)))
    parameters = {name: torch.nn.Parameter(value) for name, value in named(lstm).items()}
    of_torch("parameters", lstm, f"LSTM({I}, {H})", parameters)


def unrolled(cell):
    """What a cell gives step by step."""
    state, outputs = None, []
    for step in range(T):
        state = cell(X[:, step], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, 1)


def names():
    def save(name, tensors, module, config, run=None, **options):
        save_file(tensors, OUT / f"{name}.safetensors")
        with torch.no_grad():
            expect(name, run() if run else module(X)[0], config, **options)

    for kind in ("LSTM", "GRU", "RNN"):
        cell = getattr(torch.nn, f"{kind}Cell")(I, H)
        config = f"{kind}({I}, {H})"
        save(f"cell_{kind.lower()}", named(cell, "decoder.cell."), cell, config, lambda: unrolled(cell))
    lstm = f"LSTM({I}, {H})"
    for norm in ("weight_norm", "spectral_norm"):
        for where, functions in (("old", torch.nn.utils), ("parametrized", parametrizations)):
            module = layer("LSTM")
            for weight in ("weight_ih_l0", "weight_hh_l0"):
                module = getattr(functions, norm)(module, weight)
            module.eval()
            save(f"{norm}_{where}", named(module, "a."), module, lstm)
    module = torch.nn.utils.weight_norm(layer("GRU"), "weight_hh_l0", dim=None)
    save("weight_norm_whole", named(module), module, f"GRU({I}, {H})")
    module = layer("LSTM")
    tensors = named(module, "rnns.0.module.")
    raw = tensors.pop("rnns.0.module.weight_hh_l0")
    save("weight_drop", tensors | {"rnns.0.module.weight_hh_l0_raw": raw}, module, lstm)
    # fastai keeps what was dropped last beside the raw matrix.
    dropped = {"rnns.0.weight_hh_l0_raw": raw, "rnns.0.module.weight_hh_l0": torch.nn.functional.dropout(raw)}
    save("weight_drop_fastai", tensors | dropped, module, lstm)
    lower, upper = layer("GRU", bidirectional=True), torch.nn.GRU(2 * H, H, batch_first=True, bidirectional=True).eval()
    save(
        "separate_layers",
        named(lower, "rnns.0.") | named(upper, "rnns.1.") | {"head.weight": torch.zeros(2, 2)},
        None,
        f"GRU({I}, {H}, num_layers=2, bidirectional=True)",
        lambda: upper(lower(X)[0])[0],
        layers="rnns.0,rnns.1",
    )
    module = layer("LSTM", 2, bidirectional=True)
    cells = {}
    for name, value in named(module).items():
        kind, number = name.removesuffix("_reverse").rsplit("_l", 1)
        side = "cell_bw" if name.endswith("_reverse") else "cell_fw"
        cells[f"lstm.{number}.{side}.{kind}"] = value
    config = f"LSTM({I}, {H}, num_layers=2, bidirectional=True)"
    save("paddle", named(module, "lstm.") | {name: value.clone() for name, value in cells.items()}, module, config)
    save("paddle_cells", cells, module, config, layers="lstm.0,lstm.1")


def draw(weights):
    for weight in weights:
        weight.assign(rng.standard_normal(weight.shape).astype(np.float32) * 0.5)


def run(layers, x):
    for one in layers:
        x = one(x)
    return keras.ops.convert_to_numpy(x)


def model_of(*layers, batch=None):
    """A model of the layers, with a Dense before and behind them that is not read, and their output."""
    inputs = keras.Input(batch_shape=(batch, None, I))
    values = keras.layers.Dense(I, name="before")(inputs)
    for one in layers:
        values = one(values)
    model = keras.Model(inputs, keras.layers.Dense(2, name="behind")(values))
    draw(model.weights)
    return model


def keras_files():
    from keras.layers import GRU, LSTM, Bidirectional, SimpleRNN

    seq = dict(return_sequences=True)

    def save(name, stack, config, extensions, **options):
        model = model_of(*stack)
        output = run(stack, X)
        for extension in extensions:
            file = f"{name}_{extension.replace('.', '_')}"
            path = OUT / f"{file}.{extension}"
            model.save_weights(path) if extension == "weights.h5" else model.save(path)
            expect(file, output, config, **options)

    save("lstm", [LSTM(H, name="enc", **seq)], f"LSTM({I}, {H})", ["keras", "weights.h5", "h5"])
    activations = f"GRU({I}, {H}, activations=[HardSigmoid(0.16666667, 0.5), Softsign])"
    layers = [GRU(H, activation="softsign", recurrent_activation="hard_sigmoid", **seq)]
    save("activations", layers, activations, ["keras", "h5"])
    save("rnn", [SimpleRNN(H, activation="relu", name="forward_rnn", **seq)], f"RNN({I}, {H}, nonlinearity='relu')", ["keras"])
    for mode in ("sum", "mul", "ave", "concat"):
        layers = [Bidirectional(LSTM(H, **seq), merge_mode=mode, name=f"both_{mode}")]
        save(f"merge_{mode}", layers, f"LSTM({I}, {H}, bidirectional=True)", ["keras"], merge=mode)
    layers = [GRU(H, reset_after=False, name="lower", **seq), GRU(H, reset_after=False, name="upper", **seq)]
    save("stack", layers, f"GRU({I}, {H}, num_layers=2, reset_after=False)", ["keras"], layers="lower,upper")

    # A layer that keeps its states, which are variables, too; and a model inside of the model.
    lstm = LSTM(H, stateful=True, **seq)
    model = model_of(lstm, batch=N)
    lstm.reset_states()
    expect("stateful", run([lstm], X), f"LSTM({I}, {H})")
    model.save_weights(OUT / "stateful.weights.h5")
    inner = keras.Sequential([keras.Input((None, I)), GRU(H, name="deep", **seq)], name="inner")
    model = model_of(inner)
    model.save(OUT / "nested.keras")
    expect("nested", run([inner], X), f"GRU({I}, {H})")

    # Datasets in packed chunks.
    lstm = LSTM(H, name="enc", **seq)
    model_of(lstm)
    expect("chunks", run([lstm], X), f"LSTM({I}, {H})")
    with h5py.File(OUT / "chunks.h5", "w") as file:
        for number, weight in enumerate(lstm.weights):
            array = keras.ops.convert_to_numpy(weight).astype(np.float64 if number else np.float16)
            weight.assign(array)
            chunks = tuple(max(1, size - 1) for size in array.shape)
            packed = dict(compression="gzip", shuffle=True, fletcher32=True)
            file.create_dataset(f"enc/cell/vars/{number}", data=array, chunks=chunks, **packed)
    expect("chunks", run([lstm], X), f"LSTM({I}, {H})")
    # The groups that a newer library writes.
    with h5py.File(OUT / "latest.h5", "w", libver="latest") as file:
        for weight in lstm.weights:
            file[weight.path] = keras.ops.convert_to_numpy(weight)
    expect("latest", run([lstm], X), f"LSTM({I}, {H})")

    both = Bidirectional(GRU(H, **seq))
    model_of(both)
    np.savez(OUT / "get_weights.npz", *both.get_weights())
    expect("get_weights", run([both], X), f"GRU({I}, {H}, bidirectional=True)")


def cudnn():
    """The weights of CuDNNLSTM and CuDNNGRU: cuDNN reads a gate's values as [H, I] whatever their shape."""
    for kind, gates, order in (("LSTM", 4, [0, 1, 2, 3]), ("GRU", 3, [1, 0, 2])):
        module = layer(kind)
        blocks = lambda name: [module.state_dict()[name].chunk(gates)[order.index(gate)] for gate in range(gates)]
        matrix = lambda name, rows: torch.cat([block.reshape(rows, H) for block in blocks(name)], 1)
        bias = torch.cat([torch.cat(blocks("bias_ih_l0")), torch.cat(blocks("bias_hh_l0"))])
        arrays = {"kernel:0": matrix("weight_ih_l0", I), "recurrent_kernel:0": matrix("weight_hh_l0", H), "bias:0": bias}
        name = f"cudnn_{kind.lower()}"
        np.savez(OUT / f"{name}.npz", **{f"cu_dnn{kind.lower()}/{key}": value.numpy() for key, value in arrays.items()})
        with torch.no_grad():
            expect(name, module(X)[0], f"{kind}({I}, {H})")


OUT.mkdir(parents=True, exist_ok=True)
pytorch()
names()
keras_files()
cudnn()
