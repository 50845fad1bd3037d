// WebAssembly: where it is, and how it gets here.

/** A function with one instruction of the 128-bit SIMD: i8x16.splat. */
const WITH_SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
];

/** Whether this machine runs WebAssembly with SIMD. */
export function hasSimd() {
  return WebAssembly.validate(Uint8Array.from(WITH_SIMD));
}

/** Compiles WebAssembly: a module, its bytes, a response, or an address. */
export async function compiled(source) {
  const given = await source;
  if (given instanceof WebAssembly.Module) return given;
  if (given instanceof ArrayBuffer || ArrayBuffer.isView(given)) return WebAssembly.compile(given);
  if (typeof Response === "function" && given instanceof Response) return ofResponse(given);
  const url = new URL(given, import.meta.url);
  return url.protocol === "file:" && typeof process === "object" ? ofFile(url) : ofResponse(await fetch(url));
}

async function ofResponse(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  const streams = response.headers.get("Content-Type")?.startsWith("application/wasm");
  // A server that names another type would make this fail.
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** A file on disk, which Node's fetch does not read. */
async function ofFile(url) {
  // A name that bundlers for browsers do not see.
  const name = "node:fs/promises";
  const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  return WebAssembly.compile(await readFile(url));
}
