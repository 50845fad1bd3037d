// What figures.mjs asks a page to do.

import { model } from "./onnx.js";

const LAYERS = [["LSTM", 128], ["GRU", 256]];
const ROUNDS = 15;

async function onnxRuntime() {
  const ort = await import("./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  return ort;
}

/** A stream that ONNX Runtime steps. */
async function stream(ort, cell, size) {
  const session = await ort.InferenceSession.create(model(cell, size, size));
  const tensor = (values) => new ort.Tensor("float32", values, [1, 1, size]);
  let state = Object.fromEntries((cell === "LSTM" ? ["h", "c"] : ["h"]).map((name) => [`${name}_0`, tensor(new Float32Array(size))]));
  return async (input) => {
    const found = await session.run({ X: tensor(input), ...state });
    state = Object.fromEntries(Object.entries(found).map(([name, value]) => [name.replace("_n", "_0"), value]));
    return found.h_n.data;
  };
}

/** Milliseconds from here to the first result, with nothing loaded. */
export async function first(kind) {
  const start = performance.now();
  const input = new Float32Array(128).fill(0.1);
  if (kind === "ort") {
    await (await stream(await onnxRuntime(), "LSTM", 128))(input);
  } else if (kind === "cpu") {
    const { Layer, init } = await import("./node_modules/wgpu-rnn/cpu.js");
    await init();
    Layer.seeded({ cell: "lstm", inputSize: 128, hiddenSize: 128 }, 0).session().push(input);
  } else {
    const { Layer } = await import("./node_modules/wgpu-rnn/index.js");
    const layer = await Layer.seeded({ cell: "lstm", inputSize: 128, hiddenSize: 128 }, 0, { device: "gpu" });
    await (await layer.session()).push(input);
  }
  return performance.now() - start;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Microseconds of a step on each: the median of rounds that alternate, and the largest difference between the results. */
export async function steps() {
  const [ort, all, cpu] = await Promise.all([
    onnxRuntime(), import("./node_modules/wgpu-rnn/index.js"), import("./node_modules/wgpu-rnn/cpu.js"),
  ]);
  await cpu.init();
  const found = {};
  for (const [cell, size] of LAYERS) {
    const bytes = model(cell, size, size);
    const theirs = await stream(ort, cell, size);
    const same = await (await all.Layer.load(bytes, { device: "cpu" })).session();
    const gpu = await (await all.Layer.load(bytes, { device: "gpu" })).session();
    const own = cpu.Layer.seeded({ cell: cell.toLowerCase(), inputSize: size, hiddenSize: size }, 0).session();
    const input = new Float32Array(size).fill(0.1);
    const output = new Float32Array(size);
    const runs = {
      "wgpu-rnn, CPU": [500, () => own.pushInto(input, output)],
      "onnxruntime-web, wasm, one thread": [200, () => theirs(input)],
      "wgpu-rnn, GPU": [5, () => gpu.push(input)],
    };
    const times = Object.fromEntries(Object.keys(runs).map((name) => [name, []]));
    let difference = 0;
    for (let step = 0; step < 5; step++) {
      const [a, b, c] = [await theirs(input), await same.push(input), await gpu.push(input)];
      a.forEach((value, at) => (difference = Math.max(difference, Math.abs(value - b[at]), Math.abs(value - c[at]))));
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, [count, run]] of Object.entries(runs)) {
        const start = performance.now();
        for (let at = 0; at < count; at++) {
          const result = run();
          if (result !== undefined) await result;
        }
        times[name].push((1000 * (performance.now() - start)) / count);
      }
    }
    found[`${cell}(${size}, ${size})`] = { ...Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)])), difference };
  }
  return found;
}
