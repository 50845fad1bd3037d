/**
 * Layers on the GPU and on the CPU. Every call returns a promise; the WebAssembly is loaded when the first layer needs
 * it. Without WebGPU, `device: "auto"` takes the CPU, and only the small build for the CPU is loaded.
 *
 * ```js
 * import { Layer } from "wgpu-rnn";
 *
 * const bytes = await (await fetch("model.safetensors")).arrayBuffer();
 * const layer = await Layer.load(bytes, { prefix: "encoder.", device: "auto" });
 * const { output, h_n } = await layer.forward(new Float32Array(4 * 50 * layer.config.inputSize), { batch: 4, steps: 50 });
 * layer.dispose();
 * ```
 *
 * @module
 */
import type {
  Bytes, Config, DeviceOptions, ForwardOptions, LoadOptions, Output, Plan, PushOptions, SavedState, SeededConfig, State,
  WasmSource,
} from "./types.js";

export * from "./errors.js";
export type * from "./types.js";
export { compile } from "./cpu.js";

/** Says where the WebAssembly is, if not beside this module's files. It loads nothing. Call it before the first layer. */
export function init(sources?: {
  /** The build for the CPU alone. */
  cpu?: WasmSource;
  /** The build for the GPU and the CPU. */
  gpu?: WasmSource;
}): void;

/** A recurrent layer on a device. */
export class Layer {
  private constructor();

  /**
   * Reads a layer from a file. A build for the CPU alone, which `device: "cpu"` loads, reads safetensors only.
   *
   * Rejects with FileError, TensorError, ConfigError, or DeviceError if there is no GPU for `device: "gpu"`.
   */
  static load(bytes: Bytes, options?: LoadOptions & DeviceOptions): Promise<Layer>;

  /** Makes the layer of `torch.manual_seed(seed)` and PyTorch's constructor. */
  static seeded(config: SeededConfig, seed?: number, options?: DeviceOptions): Promise<Layer>;

  readonly config: Config;
  /** What runs the layer. */
  readonly device: "gpu" | "cpu";
  /** Whether the GPU is a driver on the CPU. */
  readonly isSoftware: boolean;

  /**
   * Runs the layer over a batch. Calls may overlap.
   *
   * @param input `[N, T, I]`, which is read before the call returns
   */
  forward(input: Float32Array, options?: ForwardOptions): Promise<Output>;

  /** Starts a session of R rows, each with the state zero; 1 row by default. */
  session(rows?: number): Promise<Session>;

  /** What the GPU does for a call of N rows and T steps; null on the CPU. */
  plan(batch?: number, steps?: number): Promise<Plan | null>;

  /** Frees the layer's memory when the calls before have ended. Sessions of it remain. */
  dispose(): void;

  /** Like `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * The state of R live streams, which stays on the device. Calls run in their order, each after the one before it. A push
 * that fails changes no row.
 */
export class Session {
  private constructor();

  readonly config: Config;
  /** R. */
  readonly rows: number;
  readonly device: "gpu" | "cpu";

  /**
   * Computes the next steps of all rows or of some, and resolves to the output `[M, T, H_out]`.
   *
   * @param input `[M, T, I]`, which is read before the call returns
   */
  push(input: Float32Array, options?: PushOptions): Promise<Float32Array>;

  /**
   * Like `push`, but writes the output into an array when it is there.
   *
   * @param output `[M, T, H_out]`
   */
  pushInto(input: Float32Array, output: Float32Array, options?: PushOptions): Promise<void>;

  /** Resolves to the state of all rows. */
  state(): Promise<SavedState>;

  /** Sets the state of the listed rows in their order, or of all rows. */
  setState(state: State | SavedState, rows?: ArrayLike<number>): Promise<void>;

  /** Sets the state of the listed rows or of all to zero, for new streams. */
  reset(rows?: ArrayLike<number>): Promise<void>;

  /** Frees the session's memory when the calls before have ended. */
  dispose(): void;

  /** Like `dispose`, for `using`. */
  [Symbol.dispose](): void;
}
