// What both modules share. N, T, I, H, L, D and H_out are PyTorch's: batch, steps, inputSize, hiddenSize, numLayers,
// directions, and projSize or else hiddenSize.

/** The kind of recurrent unit. */
export type Cell = "rnn" | "lstm" | "gru";

/** What runs the layer. */
export type Device = "auto" | "gpu" | "cpu";

/** How the GPU divides a forward pass into dispatches; `"auto"` lets the planner choose. */
export type Strategy = "auto" | "step" | "hoisted-step" | "scan";

/** The type in which the weights are stored. Results are float32 either way. */
export type Precision = "f32" | "f16";

/** The bytes of a file. */
export type Bytes = Uint8Array | ArrayBuffer;

/** WebAssembly: its address, a response, its bytes or a compiled module. */
export type WasmSource =
  | string
  | URL
  | Response
  | BufferSource
  | WebAssembly.Module
  | Promise<Response | BufferSource | WebAssembly.Module>;

/** The configuration of a layer for `Layer.seeded`, with PyTorch's defaults. */
export interface SeededConfig {
  cell: Cell;
  /** I, the features of one input vector. */
  inputSize: number;
  /** H, the hidden units. */
  hiddenSize: number;
  /** L, the stacked layers; 1 by default. */
  numLayers?: number;
  /** The activation of an Elman RNN; `"tanh"` by default. */
  nonlinearity?: "tanh" | "relu";
  /** Whether the layer has biases; true by default. */
  bias?: boolean;
  /** Whether the layer has a reverse direction in addition to the forward one; false by default. */
  bidirectional?: boolean;
  /** P, the size of an LSTM's projected hidden state; 0, the default, for none. */
  projSize?: number;
  /** Whether the only direction begins at each row's last step; false by default. */
  reverse?: boolean;
}

/** The configuration of a layer. It does not change. */
export interface Config extends Readonly<Required<SeededConfig>> {
  /** The functions f, g and h of the forward direction (or the only one) and of the reverse one, if they are not PyTorch's. */
  readonly activations: readonly [forward: string[], reverse: string[]] | null;
  /** ONNX's `clip`. */
  readonly clip: number | null;
  /** ONNX's `input_forget`: an LSTM's gate f is 1 - i. */
  readonly inputForget: boolean;
  /** Whether an LSTM's gates see the cell state. */
  readonly peepholes: boolean;
  /** Whether a GRU's reset gate comes after the recurrent product, as in PyTorch. */
  readonly resetAfter: boolean;
  /** D * H_out, the features of one output vector. */
  readonly outputSize: number;
  /** The layer as PyTorch writes it, such as `GRU(40, 64, num_layers=2)`. */
  readonly text: string;
}

/** Options of a layer on the CPU. */
export interface LayerOptions {
  /** The type in which the weights are stored; `"f32"` by default. */
  precision?: Precision;
}

/** Options of a layer on any device. */
export interface DeviceOptions extends LayerOptions {
  /**
   * What runs the layer. `"auto"`, the default, takes the GPU where it is expected to be at least twice as fast as the
   * CPU for calls of `batch` rows and `steps` steps.
   */
  device?: Device;
  /** The rows of a typical call, for `"auto"`; 1 by default. */
  batch?: number;
  /** The steps of a typical call, for `"auto"`; 1 by default. */
  steps?: number;
  /** How the GPU divides a forward pass into dispatches; `"auto"` by default. */
  strategy?: Strategy;
}

/** What to read of a file, whose first bytes show its format. */
export interface LoadOptions {
  /** The name of an ONNX node, where the model has several recurrent ones. At most one of `node`, `prefix`, `layer`. */
  node?: string;
  /** The prefix of the layer's tensors, such as `"encoder."`, where a state dict has several layers. */
  prefix?: string;
  /** The name of a Keras layer, where the model has several. */
  layer?: string;
  /** The activation of an Elman RNN in a state dict, which does not say it; `"tanh"` by default. */
  nonlinearity?: "tanh" | "relu";
  /** The files beside an ONNX model by their names, such as `model.onnx.data`. */
  data?: Record<string, Bytes>;
}

/** A state that a forward pass starts from. A part that is missing is zero. */
export interface State {
  /** `[L*D, N, H_out]`. */
  h_0?: Float32Array | null;
  /** `[L*D, N, H]`, for an LSTM only. */
  c_0?: Float32Array | null;
}

/** The state of a session's R rows. */
export interface SavedState {
  /** `[L, R, H_out]`. */
  h_0: Float32Array;
  /** `[L, R, H]` of an LSTM, else null. */
  c_0: Float32Array | null;
}

/** The result of a forward pass. */
export interface Output {
  /** The last layer's hidden state at every step: `[N, T, D*H_out]`. */
  output: Float32Array;
  /** Each layer's and direction's final hidden state: `[L*D, N, H_out]`. */
  h_n: Float32Array;
  /** An LSTM's final cell state, `[L*D, N, H]`, else null. */
  c_n: Float32Array | null;
}

/** The arguments of a forward pass beside the input. */
export interface ForwardOptions {
  /** N, the rows; 1 by default. */
  batch?: number;
  /** T, the steps; by default as many as the input has values for. */
  steps?: number;
  /** Each row's steps, 0 to T. The output past a row's length is zero. */
  lengths?: ArrayLike<number>;
  /** The initial state, or the result of an earlier call; zero by default. */
  state?: State | Output;
}

/** The arguments of a push beside the input. */
export interface PushOptions {
  /** The M rows of the session that the input is for, each at most once; all rows by default. */
  rows?: ArrayLike<number> & Iterable<number>;
  /** Each row's steps, 0 to T. A row of length 0 keeps its state. */
  lengths?: ArrayLike<number> & Iterable<number>;
}

/** What a GPU does for a forward pass. */
export interface Plan {
  /** N. */
  readonly batch: number;
  /** T. */
  readonly steps: number;
  readonly strategy: Strategy;
  readonly dispatches: number;
  /** The bytes of all buffers, those of the host included. */
  readonly bytes: number;
  /** Every dispatch, kernel and buffer, as `wgpu-rnn plan` prints it. */
  readonly text: string;
}
