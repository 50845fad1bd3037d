// The memory of a build that is ready.
import init from "./node_modules/wgpu-rnn/wasm/gpu.js";

export default init;
