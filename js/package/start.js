// The instance of the build for the CPU. The package's two modules share it.

import { compiled, hasSimd } from "./load.js";
import { initSync as instantiated } from "./wasm/cpu.js";

let memory = null;
let ready = null;

/** Where the WebAssembly is: with SIMD, or without if this machine has none. */
function place() {
  return hasSimd() ? new URL("./wasm/cpu.wasm", import.meta.url) : new URL("./wasm/cpu_plain.wasm", import.meta.url);
}

export function compile(source) {
  return compiled(source ?? place());
}

export function init(source) {
  if (memory !== null) return Promise.resolve();
  ready ??= compile(source).then(initSync);
  ready.catch(() => (ready = null));
  return ready;
}

export function initSync(module) {
  if (memory !== null) return;
  ({ memory } = instantiated({ module }));
}

/** The memory of the instance, or null. */
export function memoryOf() {
  return memory;
}
