// The memory of a build that is ready.
import init from "./node_modules/wgpu-rnn/wasm/cpu.js";

export default init;
