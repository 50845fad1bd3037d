// What the test asks a page or a worker to do. `wgpu-rnn` is the package, by the name that a bundler knows or that an
// import map has.

import * as all from "wgpu-rnn";
import * as cpu from "wgpu-rnn/cpu";
import { readCase, share } from "./cases.js";

export { all, cpu };

async function bytesOf(name) {
  return new Uint8Array(await (await fetch(`/golden/${name}.safetensors`)).arrayBuffer());
}

/** Runs cases on devices, and returns what share of the tolerance each used, or the error. */
export async function runCases(names, devices) {
  const found = {};
  for (const name of names) {
    const bytes = await bytesOf(name);
    const one = readCase(bytes);
    for (const options of devices) {
      const layer = await all.Layer.load(bytes, options);
      const output = await layer.forward(one.input, one.options);
      const plan = await layer.plan(one.options.batch, one.options.steps);
      const where = [layer.device, plan?.strategy ?? "-"].join(" ");
      (found[where] ??= []).push([name, share(output, one)]);
      layer.dispose();
    }
  }
  return found;
}

/** Pushes streams whose calls overlap, and returns the largest difference from the CPU. */
export async function overlap(device) {
  const config = { cell: "lstm", inputSize: 6, hiddenSize: 10, numLayers: 2 };
  await cpu.init();
  const layer = await all.Layer.seeded(config, 5, { device });
  const direct = cpu.Layer.seeded(config, 5);
  const sessions = await Promise.all([1, 2, 3].map((rows) => layer.session(rows)));
  const twins = sessions.map(({ rows }) => direct.session(rows));
  const input = new Float32Array(3 * 6);
  const calls = [];
  for (let step = 0; step < 5; step++) {
    input.forEach((_, at) => (input[at] = Math.sin(step + at)));
    for (const [at, session] of sessions.entries()) {
      const given = input.subarray(0, session.rows * 6);
      const expected = twins[at].push(given);
      calls.push(session.push(given).then((found) => found.map((value, at) => Math.abs(value - expected[at]))));
      if (step === 2) calls.push(session.push(new Float32Array(5)).then(() => [NaN], (error) => [error.name === "InputError" ? 0 : NaN]));
    }
    calls.push(layer.forward(input, { batch: 3 }).then(({ output }) => {
      const expected = direct.forward(input, { batch: 3 }).output;
      return output.map((value, at) => Math.abs(value - expected[at]));
    }));
    // What a call was given may be changed as soon as it has returned. A forward pass is compared with its own input.
    await calls.at(-1);
  }
  const states = Promise.all(sessions.map((session) => session.state()));
  // The calls before have begun, and end.
  for (const session of sessions) session.dispose();
  layer.dispose();
  const found = (await Promise.all(calls)).flatMap((values) => [...values]);
  const saved = await states;
  for (const [at, twin] of twins.entries()) twin.state().h_0.forEach((value, unit) => found.push(Math.abs(value - saved[at].h_0[unit])));
  const refused = await sessions[0].push(input.subarray(0, 6)).catch(({ kind }) => kind);
  return { largest: found.some(Number.isNaN) ? Infinity : Math.max(...found), count: found.length, refused, device: layer.device };
}

/** Makes and frees sessions, and returns the growth of memory in bytes. */
export async function cycles(device, count) {
  const layer = await all.Layer.seeded({ cell: "gru", inputSize: 4, hiddenSize: 4 }, 0, { device });
  const { memory } = await (device === "gpu" ? import("./memory-gpu.js") : import("./memory-cpu.js")).then((module) => module.default());
  const input = new Float32Array(4);
  const cycle = async () => {
    const session = await layer.session();
    await session.push(input);
    session.dispose();
  };
  for (let warm = 0; warm < 20; warm++) await cycle();
  const before = memory.buffer.byteLength;
  for (let at = 0; at < count; at++) await cycle();
  return memory.buffer.byteLength - before;
}

/** The kind and class of the error of a call. */
export async function errorOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return [error.name, error.kind, error instanceof all.WgpuRnnError, error.message];
  }
}

/** Runs a GRU in an AudioWorklet, one step for each 128 frames, and compares each bit with a forward pass. */
export async function offline(processor, seconds) {
  const rate = 48_000;
  const frames = Math.ceil((seconds * rate) / 128) * 128;
  const context = new OfflineAudioContext(1, frames, rate);
  await context.audioWorklet.addModule(processor);
  const signal = Float32Array.from({ length: frames }, (_, at) => Math.sin(at * at * 1e-6) * 0.5);
  const buffer = new AudioBuffer({ length: frames, sampleRate: rate });
  buffer.copyToChannel(signal, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  const node = await recurrent(context);
  source.connect(node).connect(context.destination);
  source.start();
  const rendered = (await context.startRendering()).getChannelData(0);
  const steps = frames / 128;
  const expected = cpu.Layer.seeded(CONFIG, 1).forward(signal, { steps }).output;
  let different = 0;
  expected.forEach((value, at) => (different += value !== rendered[at]));
  return { steps, different, silent: expected.every((value) => value === 0), ...(await counted(node)) };
}

/**
 * Runs the same in real time. `missed` is the frames that the sound's own counter left out, and `behind` those that it fell
 * behind the clock: a browser that is late repeats or leaves out sound without counting. Intervals in which the page itself
 * stood still, as on a machine that is suspended, are left out and counted.
 */
export async function live(processor, seconds) {
  const context = new AudioContext();
  await context.resume();
  await context.audioWorklet.addModule(processor);
  const node = await recurrent(context);
  // Kept, since a source that nothing refers to may be collected.
  const source = new OscillatorNode(context);
  source.connect(node).connect(context.destination);
  source.start();
  let [found, behind, stood] = [await counted(node), 0, 0];
  for (let second = 0; second < seconds; second++) {
    const start = performance.now();
    await new Promise((done) => setTimeout(done, 1000));
    const late = performance.now() - start > 1500;
    const next = await counted(node);
    if (late) stood++;
    else behind += next.behind - found.behind;
    found = next;
  }
  source.stop();
  await context.close();
  return { ...found, behind, stood };
}

const CONFIG = { cell: "gru", inputSize: 128, hiddenSize: 128 };

async function recurrent(context) {
  await cpu.init();
  const processorOptions = { module: await cpu.compile(), config: CONFIG };
  const node = new AudioWorkletNode(context, "recurrent", { processorOptions });
  await new Promise((ready, failed) => {
    node.port.onmessage = ({ data }) => (data.error ? failed(new Error(data.error)) : ready());
    node.onprocessorerror = () => failed(new Error("the processor failed"));
  });
  return node;
}

function counted(node) {
  return new Promise((answer) => {
    node.port.onmessage = ({ data }) => answer(data);
    node.port.postMessage("count");
  });
}
