// The packed package in Node: what is in it, its types, and its build for the CPU. scripts/npm runs it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { readCase, share } from "./cases.js";
import { OUT, ROOT, imported, project } from "./install.js";

/** The largest CPU build, packed with gzip -9. */
const MOST = 250_000;

const file = (path) => new Uint8Array(readFileSync(new URL(path, ROOT)));
const GOLDEN = readdirSync(new URL("tests/golden/", ROOT)).filter((name) => name.endsWith(".safetensors"));

let folder, cpu, all;
before(async () => {
  folder = project("node");
  [cpu, all] = [await imported(folder, "wgpu-rnn/cpu"), await imported(folder, "wgpu-rnn")];
  await cpu.init();
});

test("the package has what it says, and nothing else", () => {
  const inside = join(folder, "node_modules/wgpu-rnn");
  const { version, license, sideEffects, engines, exports, dependencies } = JSON.parse(
    readFileSync(join(inside, "package.json"), "utf8"),
  );
  const cargo = readFileSync(new URL("Cargo.toml", ROOT), "utf8");
  assert.equal(version, cargo.match(/^version = "(.*)"$/m)[1]);
  assert.deepEqual([license, sideEffects, engines.node, dependencies], ["MIT OR Apache-2.0", false, ">=18", undefined]);
  for (const target of Object.values(exports).flatMap((one) => (typeof one === "string" ? [one] : Object.values(one)))) {
    assert.ok(existsSync(join(inside, target)), target);
  }
  assert.deepEqual(readdirSync(inside).sort(), [
    "LICENSE-APACHE", "LICENSE-MIT", "README.md", "cpu.d.ts", "cpu.js", "errors.d.ts", "errors.js", "failure.js",
    "index.d.ts", "index.js", "load.js", "package.json", "shared.js", "start.js", "text.js", "types.d.ts", "wasm",
  ]);
  assert.deepEqual(readdirSync(join(inside, "wasm")).sort(), ["cpu.js", "cpu.wasm", "cpu_plain.wasm", "gpu.js", "gpu.wasm"]);
  for (const name of ["cpu.wasm", "cpu_plain.wasm"]) {
    const size = gzipSync(readFileSync(join(inside, "wasm", name)), { level: 9 }).length;
    assert.ok(size <= MOST, `${name}: ${size} bytes`);
  }
});

test("the types agree with what they describe", () => {
  for (const name of ["types.test.ts", "tsconfig.json"]) {
    copyFileSync(fileURLToPath(new URL(name, import.meta.url)), join(folder, name));
  }
  const tsc = fileURLToPath(new URL("node_modules/.bin/tsc", import.meta.url));
  execFileSync(tsc, ["--project", folder], { stdio: "inherit" });
  const declared = (name) =>
    [...readFileSync(join(folder, "node_modules/wgpu-rnn", name), "utf8").matchAll(/^export (?:declare )?(?:class|function) (\w+)/gm)].map(
      ([, name]) => name,
    );
  const errors = declared("errors.d.ts");
  const shown = (module) => Object.keys(module).sort();
  assert.deepEqual(shown(cpu), [...errors, ...declared("cpu.d.ts")].sort());
  assert.deepEqual(shown(all), [...errors, ...declared("index.d.ts"), "compile"].sort());
  for (const [module, name] of [[cpu, "cpu.d.ts"], [all, "index.d.ts"]]) {
    const text = readFileSync(join(folder, "node_modules/wgpu-rnn", name), "utf8");
    for (const type of ["Layer", "Session"]) {
      const body = text.slice(text.indexOf(`export class ${type} {`)).split("\n}\n")[0];
      const methods = [...body.matchAll(/^ {2}(?!static|private|readonly)(\w+)\(/gm)].map(([, name]) => name);
      const own = Object.getOwnPropertyNames(module[type].prototype).filter((name) => name !== "constructor");
      assert.deepEqual(methods.filter((name) => name !== "dispose").sort(), own.sort(), `${name}: ${type}`);
    }
  }
});

test("every golden case is right", () => {
  assert.ok(GOLDEN.length >= 37, `${GOLDEN.length} cases`);
  for (const name of GOLDEN) {
    const bytes = file(`tests/golden/${name}`);
    const one = readCase(bytes);
    const layer = cpu.Layer.load(bytes);
    const used = share(layer.forward(one.input, one.options), one);
    assert.ok(used <= 1, `${name}: ${used} of the tolerance`);
    layer.dispose();
  }
});

test("the build without SIMD is right, too", async () => {
  // A module of its own, since a module is instantiated once.
  const plain = await imported(project("plain"), "wgpu-rnn/cpu");
  await plain.init(readFileSync(join(folder, "node_modules/wgpu-rnn/wasm/cpu_plain.wasm")));
  for (const name of GOLDEN.filter((name) => !/big|long|wide/.test(name))) {
    const bytes = file(`tests/golden/${name}`);
    const one = readCase(bytes);
    const used = share(plain.Layer.load(bytes).forward(one.input, one.options), one);
    assert.ok(used <= 1, `${name}: ${used} of the tolerance`);
  }
});

test("a wrong result is seen", () => {
  const bytes = file("tests/golden/gru_two_layers.safetensors");
  const one = readCase(bytes);
  const found = cpu.Layer.load(bytes).forward(one.input, one.options);
  found.output[3] += 1e-4;
  assert.ok(share(found, one) > 1);
  found.output[3] = NaN;
  assert.ok(share(found, one) > 1);
});

test("a stream pushed step by step has the bits of a forward pass", () => {
  for (const config of [
    { cell: "lstm", inputSize: 5, hiddenSize: 9, numLayers: 2, projSize: 4 },
    { cell: "gru", inputSize: 5, hiddenSize: 19 },
    { cell: "rnn", inputSize: 5, hiddenSize: 7, nonlinearity: "relu", bias: false },
  ]) {
    const layer = cpu.Layer.seeded(config, 3);
    const { inputSize, outputSize } = layer.config;
    const steps = 7;
    const input = Float32Array.from({ length: steps * inputSize }, (_, at) => Math.sin(at));
    const whole = layer.forward(input, { steps });
    const session = layer.session();
    const output = new Float32Array(outputSize);
    for (let step = 0; step < steps; step++) {
      session.pushInto(input.subarray(step * inputSize, (step + 1) * inputSize), output);
      assert.deepEqual(output, whole.output.slice(step * outputSize, (step + 1) * outputSize), `step ${step}`);
    }
    assert.deepEqual(session.state().h_0, whole.h_n);
    const { state } = { state: session.state() };
    session.reset();
    assert.deepEqual(session.push(input), whole.output);
    session.setState(state);
    assert.deepEqual(session.state(), state);
    // The result of a forward pass is a state, too.
    session.reset();
    session.setState(whole);
    assert.deepEqual(session.state(), state);
  }
});

test("rows and lengths of a session are their own", () => {
  const layer = cpu.Layer.seeded({ cell: "gru", inputSize: 2, hiddenSize: 3 }, 0);
  const [session, one] = [layer.session(3), layer.session(1)];
  const input = Float32Array.of(1, 2, 3, 4);
  const both = session.push(input, { rows: [2, 0] });
  assert.deepEqual(both.slice(0, 3), one.push(input.subarray(0, 2)));
  assert.deepEqual(session.state().h_0.slice(3, 6), new Float32Array(3), "the row that has no input");
  const padded = session.push(new Float32Array(2 * 2 * 2).fill(1), { rows: [0, 1], lengths: [2, 0] });
  assert.deepEqual(padded.slice(6), new Float32Array(6));
  session.reset([2]);
  assert.deepEqual(session.state().h_0.slice(6), new Float32Array(3));
  assert.deepEqual(session.push(new Float32Array(), { rows: [] }), new Float32Array());
});

test("errors are of typed classes, and leave everything as it was", () => {
  const layer = cpu.Layer.seeded({ cell: "lstm", inputSize: 4, hiddenSize: 6 }, 0);
  const session = layer.session(2);
  session.push(new Float32Array(8).fill(1));
  const before = session.state();
  const whole = file("tests/golden/gru_two_layers.safetensors");
  const config = { cell: "gru", inputSize: 3, hiddenSize: 4 };
  for (const [name, kind, call] of [
    ["FileError", "file", () => cpu.Layer.load(whole.slice(0, whole.length - 100))],
    ["FileError", "file", () => cpu.Layer.load(new Uint8Array(64).fill(255))],
    ["FileError", "file", () => cpu.Layer.load(new Uint8Array())],
    ["TensorError", "tensor", () => cpu.Layer.load(whole, { prefix: "no.such" })],
    ["InputError", "input", () => cpu.Layer.load("a path")],
    ["FileError", "file", () => cpu.Layer.load(file("tests/onnx/graphs/external.onnx"))],
    ["ConfigError", "config", () => cpu.Layer.load(whole, { node: "a", prefix: "b" })],
    ["ConfigError", "config", () => cpu.Layer.load(whole, { device: "gpu" })],
    ["ConfigError", "config", () => cpu.Layer.load(whole, { precision: "f64" })],
    ["ConfigError", "config", () => cpu.Layer.seeded({ ...config, cell: "GRU" })],
    ["ConfigError", "config", () => cpu.Layer.seeded({ ...config, layers: 2 })],
    ["ConfigError", "config", () => cpu.Layer.seeded({ ...config, projSize: 2 })],
    ["ConfigError", "config", () => cpu.Layer.seeded({ ...config, bidirectional: true }).session()],
    ["InputError", "input", () => cpu.Layer.seeded(config, -1)],
    ["InputError", "input", () => layer.forward(new Float32Array(7))],
    ["InputError", "input", () => layer.forward([1, 2, 3, 4])],
    ["InputError", "input", () => layer.forward(new Float32Array(8), { batch: 1.5 })],
    ["InputError", "input", () => layer.forward(new Float32Array(8), { lengths: [3] })],
    ["InputError", "input", () => layer.forward(new Float32Array(8), { state: { h_0: new Float32Array(5) } })],
    ["InputError", "input", () => session.push(new Float32Array(9))],
    ["InputError", "input", () => session.push(new Float32Array(8), { rows: [0, 0] })],
    ["InputError", "input", () => session.push(new Float32Array(8), { rows: [0, 2] })],
    ["InputError", "input", () => session.push(new Float32Array(8), { lengths: [1] })],
    ["InputError", "input", () => session.pushInto(new Float32Array(8), new Float32Array(11))],
    ["InputError", "input", () => session.setState({ h_0: new Float32Array(3) })],
  ]) {
    assert.throws(call, (error) => {
      assert.ok(error instanceof cpu[name] && error instanceof cpu.WgpuRnnError && error instanceof Error, `${call}: ${error}`);
      assert.deepEqual([error.name, error.kind], [name, kind]);
      assert.match(error.message, /[eE]xpected|must be|out of range/);
      return true;
    }, String(call));
  }
  assert.deepEqual(session.state(), before);
  assert.throws(() => new cpu.Layer(), TypeError);
  session.dispose();
  session.dispose();
  layer[Symbol.dispose ?? Symbol.for("Symbol.dispose")]();
  for (const call of [() => session.push(new Float32Array(8)), () => layer.forward(new Float32Array(4))]) {
    assert.throws(call, (error) => error instanceof cpu.DisposedError && error.kind === "disposed");
  }
});

/** The memory of the module, as the code in wasm/ exports it. */
async function memory() {
  const { initSync } = await import(join(folder, "node_modules/wgpu-rnn/wasm/cpu.js"));
  return initSync().memory;
}

test("memory stays flat over 10,000 sessions and layers", async () => {
  const { buffer } = await memory();
  const bytes = file("tests/golden/lstm_two_layers.safetensors");
  const cycle = () => {
    const layer = cpu.Layer.load(bytes);
    const session = layer.session(4);
    session.push(new Float32Array(4 * layer.config.inputSize));
    session.state();
    assert.throws(() => session.push(new Float32Array(1)), cpu.InputError);
    session.dispose();
    layer.dispose();
  };
  for (let warm = 0; warm < 100; warm++) cycle();
  const size = (await memory()).buffer.byteLength;
  for (let count = 0; count < 10_000; count++) cycle();
  assert.equal((await memory()).buffer.byteLength, size);
  assert.ok(buffer !== undefined);
});

test("a repeated push allocates nothing", async () => {
  const { Config, Weights, Layer, initSync, allocations_of_pushes, allocations_of_a_vector } = await counting();
  const { memory } = initSync({ module: readFileSync(join(OUT, "counting/cpu_bg.wasm")) });
  assert.equal(allocations_of_a_vector(1000), 1, "allocations are counted");
  for (const cell of ["rnn", "lstm", "gru"]) {
    const session = Layer.on_cpu(Weights.seeded(new Config(cell, 40, 64), 0)).session(2);
    assert.ok(session.reserve(2, 1));
    assert.ok(session.push(false, false));
    const size = memory.buffer.byteLength;
    assert.equal(allocations_of_pushes(session, 1000), 0, cell);
    assert.equal(memory.buffer.byteLength, size);
  }
});

/** The bindings of the test build. */
function counting() {
  copyFileSync(fileURLToPath(new URL("../package/text.js", import.meta.url)), join(OUT, "text.js"));
  copyFileSync(join(OUT, "counting/cpu.js"), join(OUT, "counting/cpu.mjs"));
  return import(join(OUT, "counting/cpu.mjs"));
}

test("text is coded as the browser does it, for an AudioWorklet", async () => {
  const { Decoder, Encoder } = await import(join(folder, "node_modules/wgpu-rnn/text.js"));
  const text = "weight_ih_l0 – größer 𝄞 \u0000 €\ud7ff\ue000\u{10ffff}";
  assert.deepEqual(new Encoder().encode(text), new TextEncoder().encode(text));
  assert.equal(new Decoder().decode(new TextEncoder().encode(text)), text);
  assert.deepEqual([new Decoder().decode(), new Encoder().encode().length], ["", 0]);
});

test("the main module reads every format on the CPU, and says that Node has no GPU", async () => {
  const layer = await all.Layer.load(file("tests/golden/gru_two_layers.safetensors"));
  assert.deepEqual([layer.device, layer.isSoftware, await layer.plan()], ["cpu", false, null]);
  const graphs = (name) => file(`tests/onnx/graphs/${name}`);
  await assert.rejects(all.Layer.load(graphs("external.onnx"), { device: "cpu" }), (error) => error.message.includes("external.bin"));
  const onnx = await all.Layer.load(graphs("external.onnx"), { device: "cpu", data: { "external.bin": graphs("external.bin") } });
  assert.equal(onnx.config.text, "LSTM(3, 4)");
  await assert.rejects(all.Layer.seeded({ cell: "gru", inputSize: 2, hiddenSize: 2 }, 0, { device: "gpu" }), (error) => {
    return error instanceof all.DeviceError && /WebGPU/.test(error.message);
  });
});

test("calls of the main module run in their order and may overlap", async () => {
  const layer = await all.Layer.seeded({ cell: "gru", inputSize: 2, hiddenSize: 4 }, 0);
  const session = await layer.session();
  const direct = cpu.Layer.seeded({ cell: "gru", inputSize: 2, hiddenSize: 4 }, 0).session();
  const input = new Float32Array(2);
  const calls = [];
  for (let step = 0; step < 20; step++) {
    input.fill(step);
    // The input is read before the call returns, also by a call that waits for others.
    calls.push(session.push(input));
    if (step === 10) calls.push(session.push(new Float32Array(3)).catch((error) => error));
  }
  const found = await Promise.all(calls);
  assert.equal(found.splice(11, 1)[0].name, "InputError");
  found.forEach((output, step) => assert.deepEqual(output, direct.push(Float32Array.of(step, step)), `step ${step}`));
  const last = session.push(input);
  session.dispose();
  layer.dispose();
  assert.equal((await last).length, 4);
  await assert.rejects(session.push(input), all.DisposedError);
  await assert.rejects(layer.forward(input), all.DisposedError);
});
