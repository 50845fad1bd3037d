// The figures of the npm package beside onnxruntime-web, in Chromium as scripts/browser-test starts it. The GPU is
// SwiftShader there, a driver on the CPU. `scripts/npm --figures [SECONDS]` runs it; SECONDS is the length of the sound
// whose missed frames are counted, 600 by default.

import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { project } from "../../../js/test/install.js";
import { serve } from "../../../js/test/server.js";
import { launch } from "../../../web/test/browser.js";

const LOADS = 5;
const seconds = Number(process.argv[2] ?? 600);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const folder = project("figures");
const plain = (text) => text.replaceAll('"wgpu-rnn"', '"./node_modules/wgpu-rnn/index.js"').replaceAll('"wgpu-rnn/cpu"', '"./node_modules/wgpu-rnn/cpu.js"');
cpSync(here("node_modules"), join(folder, "node_modules"), { recursive: true });
for (const path of ["measure.js", "onnx.js", "../../../js/test/cases.js"]) cpSync(here(path), join(folder, path.split("/").at(-1)));
for (const name of ["run.js", "processor.js"]) writeFileSync(join(folder, name), plain(readFileSync(here(`../../../js/test/pages/${name}`), "utf8")));
writeFileSync(
  join(folder, "index.html"),
  '<!doctype html><title>Figures</title><link rel="icon" href="data:,"><button id="click">Click</button>',
);

function size(name, ...files) {
  const bytes = files.map((file) => readFileSync(join(folder, "node_modules", file)));
  const sum = (values) => values.reduce((total, { length }) => total + length, 0);
  console.log(`${name}: ${sum(bytes)} bytes, ${sum(bytes.map((one) => gzipSync(one, { level: 9 })))} with gzip -9`);
}

const own = readdirSync(join(folder, "node_modules/wgpu-rnn")).filter((name) => name.endsWith(".js"));
const scripts = (...names) => names.map((name) => `wgpu-rnn/${name}`);
size("wgpu-rnn, CPU, wasm", "wgpu-rnn/wasm/cpu.wasm");
size("wgpu-rnn, CPU without SIMD, wasm", "wgpu-rnn/wasm/cpu_plain.wasm");
size("wgpu-rnn, CPU, js", ...scripts(...own.filter((name) => name !== "index.js"), "wasm/cpu.js"));
size("wgpu-rnn, GPU and CPU, wasm", "wgpu-rnn/wasm/gpu.wasm");
size("wgpu-rnn, GPU and CPU, js", ...scripts(...own, "wasm/cpu.js", "wasm/gpu.js"));
for (const [name, file] of [["wasm", "ort-wasm-simd-threaded"], ["WebGPU (asyncify)", "ort-wasm-simd-threaded.asyncify"], ["WebGPU and WebNN (jsep)", "ort-wasm-simd-threaded.jsep"]]) {
  size(`onnxruntime-web, ${name}, wasm`, `onnxruntime-web/dist/${file}.wasm`);
}
size("onnxruntime-web, wasm, js", "onnxruntime-web/dist/ort.wasm.min.mjs", "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs");

const server = await serve(folder);
const times = { cpu: [], gpu: [], ort: [] };
for (let load = 0; load < LOADS; load++) {
  for (const kind of Object.keys(times)) {
    const browser = await launch();
    const page = await browser.newPage();
    await page.goto(server.url);
    times[kind].push(await page.evaluate(async (kind) => (await import("./measure.js")).first(kind), kind));
    await browser.close();
  }
}
for (const [kind, all] of Object.entries(times)) {
  console.log(`load to first result, ${kind}: ${all.sort((a, b) => a - b)[Math.floor(LOADS / 2)].toFixed(0)} ms (${all.map((one) => one.toFixed(0)).join(", ")})`);
}

const browser = await launch();
const page = await browser.newPage();
page.setDefaultTimeout(0);
await page.goto(server.url);
const found = await page.evaluate(async () => (await import("./measure.js")).steps());
for (const [layer, { difference, ...each }] of Object.entries(found)) {
  for (const [name, time] of Object.entries(each)) console.log(`a step of ${layer}, ${name}: ${time.toFixed(1)} us`);
  console.log(`largest difference from onnxruntime-web over five steps: ${difference.toExponential(1)}`);
}
await page.click("#click");
// Only the time from a click on is sound that a page may make.
const live = await page.evaluate(async (seconds) => (await import("./run.js")).live("./processor.js", seconds), seconds);
console.log(`sound of ${seconds} s, a step of GRU(128, 128) for each 128 frames: ${live.counted} calls, ${live.missed} frames missed, ${live.behind} frames fallen behind the clock, ${live.stood} intervals of a second left out`);
await browser.close();
server.stop();
