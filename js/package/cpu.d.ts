/**
 * Layers on the CPU, without waiting: in a page, a worker, an AudioWorklet or Node. Call `init` once before the first
 * layer, or `initSync` with a compiled module.
 *
 * ```js
 * import { init, Layer } from "wgpu-rnn/cpu";
 *
 * await init();
 * const layer = Layer.seeded({ cell: "gru", inputSize: 40, hiddenSize: 64 }, 0);
 * const session = layer.session(); // one stream
 * const output = new Float32Array(64);
 * session.pushInto(new Float32Array(40), output); // one step; a repeated call allocates nothing
 * ```
 *
 * @module
 */
import type {
  Bytes, Config, ForwardOptions, LayerOptions, LoadOptions, Output, Plan, PushOptions, SavedState, SeededConfig, State,
  WasmSource,
} from "./types.js";

export * from "./errors.js";
export type * from "./types.js";

/** The options of a layer of this module. */
export interface CpuOptions extends LayerOptions {
  /** For code that also runs with the main module; there is only the CPU. */
  device?: "auto" | "cpu";
}

/**
 * Compiles the WebAssembly for `initSync`: by default the file of this package, with SIMD where the machine has it. A
 * compiled module can be posted to workers and AudioWorklets.
 */
export function compile(source?: WasmSource): Promise<WebAssembly.Module>;

/** Makes the module ready. Further calls do nothing. */
export function init(source?: WasmSource): Promise<void>;

/** Like `init`, without waiting, for a place that cannot load files. Further calls do nothing. */
export function initSync(module: WebAssembly.Module | BufferSource): void;

/** A recurrent layer on the CPU. */
export class Layer {
  private constructor();

  /**
   * Reads a layer from a safetensors file. The main module reads every format.
   *
   * @throws FileError, TensorError or ConfigError
   */
  static load(bytes: Bytes, options?: LoadOptions & CpuOptions): Layer;

  /** Makes the layer of `torch.manual_seed(seed)` and PyTorch's constructor. */
  static seeded(config: SeededConfig, seed?: number, options?: CpuOptions): Layer;

  readonly config: Config;
  readonly device: "cpu";

  /**
   * Runs the layer over a batch.
   *
   * @param input `[N, T, I]`
   * @throws InputError
   */
  forward(input: Float32Array, options?: ForwardOptions): Output;

  /**
   * Starts a session of R rows, each with the state zero; 1 row by default.
   *
   * @throws ConfigError if the layer has a reverse direction
   */
  session(rows?: number): Session;

  /** What a GPU does for a call of N rows and T steps: null, since there is none. */
  plan(batch?: number, steps?: number): Plan | null;

  /** Frees the layer's memory. Sessions of it remain. */
  dispose(): void;

  /** Like `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

/** The state of R live streams. A push that fails changes no row. */
export class Session {
  private constructor();

  readonly config: Config;
  /** R. */
  readonly rows: number;

  /**
   * Computes the next steps of all rows or of some, and returns the output `[M, T, H_out]`.
   *
   * @param input `[M, T, I]`
   * @throws InputError
   */
  push(input: Float32Array, options?: PushOptions): Float32Array;

  /**
   * Like `push`, but writes the output into an array. A repeated push of one step allocates nothing.
   *
   * @param output `[M, T, H_out]`
   */
  pushInto(input: Float32Array, output: Float32Array, options?: PushOptions): void;

  /** Returns the state of all rows. */
  state(): SavedState;

  /** Sets the state of the listed rows in their order, or of all rows. */
  setState(state: State | SavedState, rows?: ArrayLike<number>): void;

  /** Sets the state of the listed rows or of all to zero, for new streams. */
  reset(rows?: ArrayLike<number>): void;

  /** Frees the session's memory. */
  dispose(): void;

  /** Like `dispose`, for `using`. */
  [Symbol.dispose](): void;
}
