// What the two modules of the package share: arguments, results, and the memory of a session.

import { attempt, failure } from "./failure.js";

/** The symbol for `using`; its value where the language has none yet is the one that compilers use. */
export const DISPOSE = Symbol.dispose ?? Symbol.for("Symbol.dispose");

const LARGEST = 2 ** 32 - 1;

/** A whole number that WebAssembly can hold. */
export function whole(name, value) {
  if (Number.isInteger(value) && value >= 0 && value <= LARGEST) return value;
  throw failure("input", `${name}: expected a whole number from 0 to ${LARGEST}, found ${String(value)}`, name);
}

/** A Float32Array. */
export function floats(name, value) {
  if (value instanceof Float32Array) return value;
  const found = value?.constructor?.name ?? String(value);
  throw failure("input", `${name}: expected a Float32Array, found ${found}`, name);
}

/** Whole numbers, or undefined. */
export function wholes(name, values) {
  if (values === undefined || values === null) return undefined;
  return Uint32Array.from(values, (value, index) => whole(`${name}[${index}]`, value));
}

/** The bytes of a file. */
function bytesOf(name, value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const found = value?.constructor?.name ?? String(value);
  throw failure("input", `${name}: expected an ArrayBuffer or a Uint8Array, found ${found}`, name);
}

/** One of some names, or undefined for the default. */
export function oneOf(name, value, names) {
  if (value === undefined || names.includes(value)) return value;
  throw failure("config", `${name}: expected one of ${names.join(", ")}, found ${String(value)}`, name);
}

/** Whether a file is taken for safetensors: a length, and then JSON. */
export function isSafetensors(bytes) {
  return bytesOf("bytes", bytes)[8] === "{".charCodeAt(0);
}

/** Reads a file's weights. */
export function readWeights(core, bytes, { node, prefix, layer, nonlinearity, data = {} }) {
  const parts = [node, prefix, layer].filter((part) => part !== undefined);
  if (parts.length > 1) {
    throw failure("config", "node, prefix, layer: expected one of them, since each names the layer of a file, found several");
  }
  const file = bytesOf("bytes", bytes);
  const files = new core.DataFiles();
  try {
    for (const [name, value] of Object.entries(data)) files.add(name, bytesOf(`data[${name}]`, value));
    return attempt(core, () => core.Weights.read(file, parts[0], nonlinearity, files));
  } finally {
    files.free();
  }
}

/** The fields of a configuration in JavaScript, and in WebAssembly. */
const FIELDS = {
  numLayers: "num_layers",
  nonlinearity: "nonlinearity",
  bias: "bias",
  bidirectional: "bidirectional",
  projSize: "proj_size",
  reverse: "reverse",
};

/** The weights that PyTorch's constructor gives after `torch.manual_seed(seed)`. */
export function seededWeights(core, given, seed) {
  const { cell, inputSize, hiddenSize, ...others } = given;
  const config = new core.Config(String(cell), whole("inputSize", inputSize), whole("hiddenSize", hiddenSize));
  try {
    for (const [name, value] of Object.entries(others)) {
      if (!(name in FIELDS)) {
        const known = ["cell", "inputSize", "hiddenSize", ...Object.keys(FIELDS)].join(", ");
        throw failure("config", `config: expected one of ${known}, found ${name}`, name);
      }
      if (value !== undefined) config[FIELDS[name]] = typeof value === "number" ? whole(name, value) : value;
    }
    return attempt(core, () => core.Weights.seeded(config, whole("seed", seed)));
  } finally {
    config.free();
  }
}

/** A layer's configuration as an object that does not change. */
export function described(layer) {
  const config = layer.config();
  const {
    cell, input_size: inputSize, hidden_size: hiddenSize, num_layers: numLayers, nonlinearity, bias, bidirectional,
    proj_size: projSize, reverse, activations: functions, clip = null, input_forget: inputForget, peepholes,
    reset_after: resetAfter,
  } = config;
  config.free();
  const activations = functions.length === 0 ? null : Object.freeze([functions.slice(0, 3), functions.slice(3)]);
  const outputSize = (bidirectional ? 2 : 1) * (projSize || hiddenSize);
  return Object.freeze({
    cell, inputSize, hiddenSize, numLayers, nonlinearity, bias, bidirectional, projSize, reverse, activations, clip,
    inputForget, peepholes, resetAfter, outputSize, text: layer.text(),
  });
}

/** The arguments of a forward pass for WebAssembly. */
export function forwardArguments(input, { batch = 1, steps, lengths, state }, { inputSize }) {
  const values = floats("input", input);
  const rows = whole("batch", batch);
  const count = steps === undefined ? values.length / (rows * inputSize || 1) : whole("steps", steps);
  if (!Number.isInteger(count)) {
    const expected = `a multiple of batch * inputSize = ${rows * inputSize} values`;
    throw failure("input", `input: expected ${expected}, found ${values.length}`, "input");
  }
  return [values, rows, count, wholes("lengths", lengths), ...stateArguments(state)];
}

/** A state's arrays. The result of a forward pass is a state, too. */
export function stateArguments(state) {
  if (state === undefined || state === null) return [undefined, undefined];
  const h = state.h_0 ?? state.h_n ?? undefined;
  const c = state.c_0 ?? state.c_n ?? undefined;
  return [h && floats("h_0", h), c && floats("c_0", c)];
}

/** The result of a forward pass. */
export function result(output) {
  const found = { output: output.output(), h_n: output.h_n(), c_n: output.c_n() ?? null };
  output.free();
  return found;
}

/** A session's state. */
export function saved(state) {
  const found = { h_0: state.h_0(), c_0: state.c_0() ?? null };
  state.free();
  return found;
}

/** A plan as an object, or null. */
export function planned(plan) {
  if (plan === undefined) return null;
  const { batch, steps, strategy, dispatches, bytes, text } = plan;
  plan.free();
  return { batch, steps, strategy, dispatches, bytes, text };
}

/** The memory that a session's pushes read and write. A repeated push allocates nothing, not even garbage. */
export class Arrays {
  #core;
  #session;
  #memory;
  #config;
  #rows = -1;
  #steps = -1;
  #input = new Float32Array();
  #output = new Float32Array();
  #listed = new Uint32Array();
  #lengths = new Uint32Array();

  constructor(core, session, memory, config) {
    this.#core = core;
    this.#session = session;
    this.#memory = memory;
    this.#config = config;
  }

  /** Writes the input of a push, and the rows and lengths where they are given. */
  write(input, count, rows, lengths) {
    const steps = this.#stepsOf(floats("input", input), count);
    if (steps !== this.#steps || count !== this.#rows) this.#reserve(count, steps);
    else if (this.#input.buffer !== this.#memory.buffer) this.#look();
    if (lengths !== undefined && lengths.length !== count) {
      throw failure("input", `lengths: expected one for each of ${count} rows, found ${lengths.length}`, "lengths");
    }
    this.#input.set(input);
    if (rows !== undefined) for (let at = 0; at < count; at++) this.#listed[at] = whole("rows", rows[at]);
    if (lengths !== undefined) for (let at = 0; at < count; at++) this.#lengths[at] = whole("lengths", lengths[at]);
  }

  /** The output of the last push, which the next one overwrites. */
  get output() {
    if (this.#input.buffer !== this.#memory.buffer) this.#look();
    return this.#output;
  }

  /** Copies the output of the last push. */
  read(output) {
    output.set(this.output);
  }

  /** Checks an array for the output of the input that was written. */
  check(output) {
    if (floats("output", output).length !== this.#output.length) {
      const expected = `[M, T, H_out] = [${this.#rows}, ${this.#steps}, ${this.#config.outputSize}] values`;
      throw failure("input", `output: expected ${expected}, found ${output.length} values`, "output");
    }
  }

  /** The error of a push that returned false. */
  failed() {
    const found = this.#session.failure();
    if (found === undefined) return failure("driver", "a push failed without a reason");
    const { kind, message, subject } = found;
    found.free();
    return failure(kind, message, subject ?? null);
  }

  #stepsOf(input, count) {
    const width = count * this.#config.inputSize;
    if (width === 0 && input.length === 0) return 1;
    const steps = input.length / width;
    if (Number.isInteger(steps) && steps > 0) return steps;
    const expected = `[M, T, I] = [${count}, T, ${this.#config.inputSize}] values`;
    throw failure("input", `input: expected ${expected}, found ${input.length} values`, "input");
  }

  #reserve(rows, steps) {
    this.#rows = -1;
    if (!this.#session.reserve(rows, steps)) throw this.failed();
    this.#rows = rows;
    this.#steps = steps;
    this.#look();
  }

  /** Finds the arrays in memory, which moves when it grows. */
  #look() {
    const { inputSize, outputSize } = this.#config;
    const { buffer } = this.#memory;
    const [rows, count] = [this.#rows, this.#rows * this.#steps];
    this.#input = new Float32Array(buffer, this.#session.input(), count * inputSize);
    this.#output = new Float32Array(buffer, this.#session.output(), count * outputSize);
    this.#listed = new Uint32Array(buffer, this.#session.rows(), rows);
    this.#lengths = new Uint32Array(buffer, this.#session.lengths(), rows);
  }
}
