// The GPU and the CPU. Every call returns a promise.

import { attempt, failure, translated } from "./failure.js";
import { compiled, hasSimd } from "./load.js";
import {
  Arrays, DISPOSE, described, forwardArguments, isSafetensors, oneOf, planned, readWeights, result, saved, seededWeights,
  stateArguments, whole, wholes,
} from "./shared.js";
import { init as initCpu, memoryOf } from "./start.js";
import * as cpuCore from "./wasm/cpu.js";

export * from "./errors.js";
export { compile } from "./start.js";

const DEVICES = ["auto", "gpu", "cpu"];
const STRATEGIES = ["auto", "step", "hoisted-step", "scan"];
const PRECISIONS = ["f32", "f16"];

/** Where the WebAssembly is, if not beside this file. */
const sources = { cpu: undefined, gpu: undefined };
/** The build for the GPU and the CPU, and the GPU, once they were asked for. */
let both = null;
let gpu = null;

export function init(given = {}) {
  Object.assign(sources, given);
}

/** The build for the CPU alone. */
async function cpuBuild() {
  await initCpu(sources.cpu);
  return { core: cpuCore, memory: memoryOf() };
}

/** The build for the GPU and the CPU. */
function gpuBuild() {
  both ??= (async () => {
    const core = await import("./wasm/gpu.js");
    const module = await compiled(sources.gpu ?? new URL("./wasm/gpu.wasm", import.meta.url));
    const { memory } = await core.default({ module_or_path: module });
    return { core, memory };
  })();
  both.catch(() => (both = null));
  return both;
}

/** The browser's adapter if layers may run on it: with `isSoftware`, also a driver on the CPU. Null if there is none. */
async function adapter(isSoftware) {
  if (typeof navigator !== "object" || !("gpu" in navigator) || !hasSimd()) return null;
  const found = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const isFallback = found?.info?.isFallbackAdapter ?? found?.isFallbackAdapter ?? false;
  return isFallback && !isSoftware ? null : found;
}

/** The browser's GPU. All layers share it. */
function openGpu(core) {
  gpu ??= core.Device.gpu();
  gpu.catch(() => (gpu = null));
  return gpu;
}

/**
 * The build for a device. That for the CPU alone reads safetensors; the other one reads every format, also without a GPU.
 * The library's own choice is never a driver on the CPU, so that a page without a GPU loads the small build.
 */
async function build(device, isSmall) {
  const found = device === "cpu" ? null : await adapter(device === "gpu");
  if (found !== null) return gpuBuild();
  if (device !== "gpu") return isSmall || !hasSimd() ? cpuBuild() : gpuBuild();
  const why = hasSimd() ? "none (navigator.gpu)" : "WebAssembly without SIMD";
  throw failure("device", `no GPU adapter: expected a browser with an adapter for WebGPU, found ${why}`);
}

async function layerOf(build, weights, device, { precision, strategy, batch = 1, steps = 1 }) {
  const { core } = build;
  try {
    if (device === "cpu" || core.Device.gpu === undefined) {
      return attempt(core, () => core.Layer.on_cpu(weights, precision));
    }
    const one = device === "gpu" ? await openGpu(core) : await core.Device.auto(weights, whole("batch", batch), whole("steps", steps));
    return await core.Layer.load(weights, one, precision, strategy);
  } catch (thrown) {
    throw noted(translated(core, thrown));
  } finally {
    weights.free();
  }
}

/** Opens the GPU again for the next layer if this one was lost. */
function noted(error) {
  if (error.kind === "device-lost") gpu = null;
  return error;
}

const HIDDEN = Symbol("made by Layer.load and Layer.seeded");

/** An object in WebAssembly that is freed when it is disposed of and its last call has ended. */
class Handle {
  #build;
  #handle;
  #name;
  #calls = 0;
  #disposed = false;

  constructor(hidden, build, handle, name) {
    if (hidden !== HIDDEN) throw new TypeError(`${name} has no constructor: use Layer.load, Layer.seeded and layer.session`);
    this.#build = build;
    this.#handle = handle;
    this.#name = name;
  }

  get _build() {
    return this.#build;
  }

  /** Fails if the object was disposed of. */
  _check() {
    if (this.#disposed) throw failure("disposed", `${this.#name}: expected one that is in use, found a disposed one`);
  }

  /** Runs a call of the object. */
  async _call(run) {
    this._check();
    this.#calls++;
    try {
      return await run(this.#handle);
    } catch (thrown) {
      throw noted(translated(this.#build.core, thrown));
    } finally {
      this.#calls--;
      this.#free();
    }
  }

  dispose() {
    this.#disposed = true;
    this.#free();
  }

  #free() {
    if (!this.#disposed || this.#calls > 0) return;
    this.#handle?.free();
    this.#handle = null;
  }

  [DISPOSE]() {
    this.dispose();
  }
}

export class Layer extends Handle {
  static async load(bytes, options = {}) {
    return Layer.#made(options, isSafetensors(bytes), (core) => readWeights(core, bytes, options));
  }

  static async seeded(config, seed = 0, options = {}) {
    return Layer.#made(options, true, (core) => seededWeights(core, config, seed));
  }

  static async #made(options, isSmall, weightsOf) {
    const device = oneOf("device", options.device, DEVICES) ?? "auto";
    oneOf("precision", options.precision, PRECISIONS);
    oneOf("strategy", options.strategy, STRATEGIES);
    const from = await build(device, isSmall);
    return new Layer(HIDDEN, from, await layerOf(from, weightsOf(from.core), device, options));
  }

  constructor(hidden, build, layer) {
    super(hidden, build, layer, "layer");
    const device = layer.device();
    this.config = described(layer);
    this.device = device.is_gpu() ? "gpu" : "cpu";
    this.isSoftware = device.is_software();
    device.free();
  }

  async forward(input, options = {}) {
    const given = forwardArguments(input, options, this.config);
    const run = this.device === "gpu" ? "forward_async" : "forward";
    return this._call(async (layer) => result(await layer[run](...given)));
  }

  async session(rows = 1) {
    const count = whole("rows", rows);
    const start = this.device === "gpu" ? "session_async" : "session";
    return this._call(async (layer) => {
      return new Session(HIDDEN, this._build, await layer[start](count), this.config, count, this.device);
    });
  }

  async plan(batch = 1, steps = 1) {
    return this._call((layer) => planned(layer.plan(whole("batch", batch), whole("steps", steps))));
  }
}

export class Session extends Handle {
  #arrays;
  #waits;
  /** The end of the last call. A call begins when the one before it has ended. */
  #last = Promise.resolve();
  #pending = 0;

  constructor(hidden, build, session, config, rows, device) {
    super(hidden, build, session, "session");
    this.config = config;
    this.rows = rows;
    this.device = device;
    this.#waits = device === "gpu";
    this.#arrays = new Arrays(build.core, session, build.memory, config);
  }

  push(input, options) {
    return this.#push(input, null, options, () => this.#arrays.output.slice());
  }

  pushInto(input, output, options) {
    return this.#push(input, output, options, () => this.#arrays.read(output));
  }

  state() {
    return this.#next(async (session) => saved(await (this.#waits ? session.state_async() : session.state())));
  }

  setState(state, rows) {
    const set = this.#waits ? "set_state_async" : "set_state";
    return this.#next((session) => session[set](wholes("rows", rows), ...stateArguments(state)));
  }

  reset(rows) {
    return this.#next((session) => session.reset(wholes("rows", rows)));
  }

  async #push(input, output, { rows, lengths } = {}, taken) {
    // A push that waits for others reads its input later, when the caller may have changed it.
    const given = this.#pending > 0 && input instanceof Float32Array ? input.slice() : input;
    const [named, padded] = [rows && [...rows], lengths && [...lengths]];
    return this.#next(async (session) => {
      this.#arrays.write(given, named === undefined ? this.rows : named.length, named, padded);
      if (output !== null) this.#arrays.check(output);
      const push = this.#waits ? "push_async" : "push";
      if (!(await session[push](named !== undefined, padded !== undefined))) throw this.#arrays.failed();
      return taken();
    });
  }

  /** Runs a call after those before it, also after one that failed. */
  #next(run) {
    const before = this.#pending > 0 ? this.#last : null;
    this.#pending++;
    const call = this._call(async (session) => {
      if (before !== null) await before;
      return run(session);
    }).finally(() => this.#pending--);
    this.#last = call.then(
      () => {},
      () => {},
    );
    return call;
  }
}
