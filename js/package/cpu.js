// The CPU alone, without waiting: also for an AudioWorklet.

import { attempt, failure } from "./failure.js";
import {
  Arrays, DISPOSE, described, forwardArguments, oneOf, planned, readWeights, result, saved, seededWeights,
  stateArguments, whole, wholes,
} from "./shared.js";
import { memoryOf } from "./start.js";
import * as core from "./wasm/cpu.js";

export * from "./errors.js";
export { compile, init, initSync } from "./start.js";

function started() {
  if (memoryOf() === null) throw failure("config", "wgpu-rnn: expected a call of init or initSync before, found none");
}

/** Makes a layer from weights, which it does not need afterwards. */
function layerOf(weights, { precision }) {
  try {
    return attempt(core, () => core.Layer.on_cpu(weights, oneOf("precision", precision, ["f32", "f16"])));
  } finally {
    weights.free();
  }
}

const HIDDEN = Symbol("made by Layer.load and Layer.seeded");

/** The half of a class that can be freed. */
class Handle {
  #handle;
  #name;

  constructor(hidden, handle, name) {
    if (hidden !== HIDDEN) throw new TypeError(`${name} has no constructor: use Layer.load, Layer.seeded and layer.session`);
    this.#handle = handle;
    this.#name = name;
  }

  /** The object in WebAssembly. */
  get _handle() {
    if (this.#handle === null) throw failure("disposed", `${this.#name}: expected one that is in use, found a disposed one`);
    return this.#handle;
  }

  dispose() {
    this.#handle?.free();
    this.#handle = null;
  }

  [DISPOSE]() {
    this.dispose();
  }
}

export class Layer extends Handle {
  static load(bytes, options = {}) {
    started();
    oneOf("device", options.device, ["auto", "cpu"]);
    return new Layer(HIDDEN, layerOf(readWeights(core, bytes, options), options));
  }

  static seeded(config, seed = 0, options = {}) {
    started();
    oneOf("device", options.device, ["auto", "cpu"]);
    return new Layer(HIDDEN, layerOf(seededWeights(core, config, seed), options));
  }

  constructor(hidden, layer) {
    super(hidden, layer, "layer");
    this.config = described(layer);
    this.device = "cpu";
  }

  forward(input, options = {}) {
    const layer = this._handle;
    const given = forwardArguments(input, options, this.config);
    return result(attempt(core, () => layer.forward(...given)));
  }

  session(rows = 1) {
    const layer = this._handle;
    const count = whole("rows", rows);
    return new Session(HIDDEN, attempt(core, () => layer.session(count)), this.config, count);
  }

  plan(batch = 1, steps = 1) {
    const layer = this._handle;
    return planned(attempt(core, () => layer.plan(whole("batch", batch), whole("steps", steps))));
  }
}

export class Session extends Handle {
  #arrays;

  constructor(hidden, session, config, rows) {
    super(hidden, session, "session");
    this.config = config;
    this.rows = rows;
    this.#arrays = new Arrays(core, session, memoryOf(), config);
  }

  push(input, options) {
    this.#run(input, null, options?.rows, options?.lengths);
    return this.#arrays.output.slice();
  }

  pushInto(input, output, options) {
    this.#run(input, output, options?.rows, options?.lengths);
    this.#arrays.read(output);
  }

  #run(input, output, rows, lengths) {
    const session = this._handle;
    this.#arrays.write(input, rows === undefined ? this.rows : rows.length, rows, lengths);
    if (output !== null) this.#arrays.check(output);
    if (!session.push(rows !== undefined, lengths !== undefined)) throw this.#arrays.failed();
  }

  state() {
    const session = this._handle;
    return saved(attempt(core, () => session.state()));
  }

  setState(state, rows) {
    const session = this._handle;
    attempt(core, () => session.set_state(wholes("rows", rows), ...stateArguments(state)));
  }

  reset(rows) {
    const session = this._handle;
    attempt(core, () => session.reset(wholes("rows", rows)));
  }
}
