// Uses every item of the types; `tsc --strict` compiles it beside the installed package. It does not run.

import * as all from "wgpu-rnn";
import * as cpu from "wgpu-rnn/cpu";
import type {
  Bytes, Cell, Config, Device, DeviceOptions, ErrorKind, ForwardOptions, LayerOptions, LoadOptions, Output, Plan,
  Precision, PushOptions, SavedState, SeededConfig, State, Strategy, WasmSource,
} from "wgpu-rnn";
import type { CpuOptions } from "wgpu-rnn/cpu";

const cell: Cell = "lstm";
const device: Device = "auto";
const strategy: Strategy = "hoisted-step";
const precision: Precision = "f16";
const bytes: Bytes = new ArrayBuffer(8);
const source: WasmSource = new URL("https://example.com/cpu.wasm");
const seeded: SeededConfig = {
  cell, inputSize: 4, hiddenSize: 8, numLayers: 2, nonlinearity: "tanh", bias: true, bidirectional: false, projSize: 4,
  reverse: false,
};
const options: LayerOptions = { precision };
const onDevice: DeviceOptions = { ...options, device, batch: 4, steps: 50, strategy };
const load: LoadOptions = {
  node: "lstm", prefix: "encoder.", layer: "lstm", nonlinearity: "relu", data: { "model.onnx.data": bytes },
};
const state: State = { h_0: new Float32Array(8), c_0: null };
const forward: ForwardOptions = { batch: 1, steps: 2, lengths: [2], state };
const push: PushOptions = { rows: [0], lengths: new Uint32Array(1) };
const cpuOptions: CpuOptions = { ...options, device: "cpu" };

function read({ config, plan }: { config: Config; plan: Plan | null }): string {
  const numbers: number[] = [config.inputSize, config.hiddenSize, config.numLayers, config.projSize, config.outputSize];
  const flags: boolean[] = [
    config.bias, config.bidirectional, config.reverse, config.inputForget, config.peepholes, config.resetAfter,
  ];
  const activations: readonly string[] = config.activations?.[0] ?? [];
  const clip: number | null = config.clip;
  const planned = plan && [plan.batch, plan.steps, plan.strategy, plan.dispatches, plan.bytes, plan.text];
  return [config.cell, config.nonlinearity, config.text, numbers, flags, activations, clip, planned].join();
}

export async function main(): Promise<void> {
  all.init({ cpu: source, gpu: fetch("gpu.wasm") });
  const module: WebAssembly.Module = await all.compile();
  using layer = await all.Layer.load(bytes, { ...load, ...onDevice });
  const second: all.Layer = await all.Layer.seeded(seeded, 0, onDevice);
  const found: Output = await layer.forward(new Float32Array(8), forward);
  await second.forward(found.output, { state: found });
  using session = await layer.session(2);
  const output: Float32Array = await session.push(found.h_n, push);
  await session.pushInto(output, found.c_n ?? output, push);
  const saved: SavedState = await session.state();
  await session.setState(saved, [0, 1]);
  await session.reset([1]);
  const on: ["gpu" | "cpu", boolean, number, "gpu" | "cpu"] = [layer.device, layer.isSoftware, session.rows, session.device];
  read({ config: layer.config, plan: await layer.plan(4, 50) });
  read({ config: session.config, plan: null });
  session.dispose();
  layer.dispose();

  await cpu.init(source);
  cpu.initSync(await cpu.compile(source));
  cpu.initSync(module);
  using direct = cpu.Layer.load(bytes, { ...load, ...cpuOptions });
  const other: cpu.Layer = cpu.Layer.seeded(seeded, 0, cpuOptions);
  const result: Output = direct.forward(new Float32Array(8), forward);
  const stream: cpu.Session = other.session(1);
  const pushed: Float32Array = stream.push(result.output, push);
  stream.pushInto(result.output, pushed, push);
  stream.setState(stream.state(), [0]);
  stream.setState(state);
  stream.reset([0]);
  read({ config: direct.config, plan: direct.plan(1, 1) });
  const where: ["cpu", Config, number] = [direct.device, stream.config, stream.rows];
  stream.dispose();
  other[Symbol.dispose]();
  void [on, where];
}

export function remedy(error: unknown): ErrorKind | null {
  const classes = [
    all.ConfigError, all.TensorError, all.FileError, all.InputError, all.DeviceError, all.TooLargeError,
    all.OutOfMemoryError, all.DeviceLostError, all.TimeoutError, all.DriverError, all.DisposedError,
  ];
  if (classes.some((one) => error instanceof one) && error instanceof all.WgpuRnnError) {
    const subject: string | null = error.subject;
    return subject === null ? error.kind : null;
  }
  return error instanceof cpu.WgpuRnnError ? error.kind : null;
}

// @ts-expect-error: a layer is made by load or seeded
new all.Layer();
// @ts-expect-error: no such device
void all.Layer.load(bytes, { device: "tpu" });
// @ts-expect-error: the module for the CPU has no GPU
cpu.Layer.load(bytes, { device: "gpu" });
// @ts-expect-error: an array of numbers is no Float32Array
cpu.Layer.load(bytes).forward([1, 2, 3]);
