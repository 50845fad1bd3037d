// The packed package in Chromium: without a bundler and with Vite. scripts/npm runs it.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../../web/test/browser.js";
import { SMALL } from "./cases.js";
import { ROOT, project } from "./install.js";
import { serve } from "./server.js";

const GPU = ["step", "hoisted-step", "scan"].map((strategy) => ({ device: "gpu", strategy }));
const EVERYWHERE = [...GPU, { device: "gpu" }, { device: "cpu" }, { device: "auto" }];

const pages = fileURLToPath(new URL("pages/", import.meta.url));

/** Copies the pages and the golden cases to a project. */
function filled(name) {
  const folder = project(name);
  cpSync(pages, folder, { recursive: true });
  cpSync(fileURLToPath(new URL("cases.js", import.meta.url)), join(folder, "cases.js"));
  return folder;
}

function withCases(folder) {
  mkdirSync(join(folder, "golden"), { recursive: true });
  for (const name of SMALL) {
    cpSync(fileURLToPath(new URL(`tests/golden/${name}.safetensors`, ROOT)), join(folder, `golden/${name}.safetensors`));
  }
  return folder;
}

/** Writes the addresses of the installed files in place of the package's name, as a page without a bundler has them. */
function addressed(folder) {
  for (const name of ["run.js", "processor.js"]) {
    const text = readFileSync(join(folder, name), "utf8");
    const plain = text
      .replaceAll('"wgpu-rnn"', '"./node_modules/wgpu-rnn/index.js"')
      .replaceAll('"wgpu-rnn/cpu"', '"./node_modules/wgpu-rnn/cpu.js"');
    writeFileSync(join(folder, name), plain);
  }
  return folder;
}

async function bundled(folder) {
  const { build, createLogger } = await import("vite");
  const logger = createLogger("warn");
  const warnings = [];
  logger.warn = (text) => warnings.push(text);
  writeFileSync(join(folder, "index.html"), '<!doctype html><title>Vite</title><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>');
  const worker = { format: "es" };
  await build({ root: folder, customLogger: logger, worker, build: { target: "es2022", minify: true } });
  assert.deepEqual(warnings, []);
  return join(folder, "dist");
}

/** A page that is ready; `problems` gathers what the browser complains about. */
async function open(browser, url) {
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.setDefaultTimeout(120_000);
  await page.goto(url);
  await page.waitForFunction(() => window.run !== undefined);
  return { page, problems };
}

function assertRight(found, places, count) {
  assert.deepEqual(Object.keys(found).sort(), [...places].sort());
  for (const [place, cases] of Object.entries(found)) {
    assert.equal(cases.length % count, 0, place);
    for (const [name, used] of cases) assert.ok(used <= 1, `${place}, ${name}: ${used} of the tolerance`);
  }
}

let browser, plain, vite;
before(async () => {
  const folder = withCases(addressed(filled("page")));
  [browser, plain] = [await launch(), await serve(folder)];
});
after(async () => {
  await browser?.close();
  plain?.stop();
  vite?.stop();
});

test("every cell is right on WebGPU with every strategy and on the CPU", async () => {
  const { page, problems } = await open(browser, `${plain.url}plain.html`);
  const found = await page.evaluate(([names, devices]) => window.run.runCases(names, devices), [SMALL, EVERYWHERE]);
  for (const place of ["gpu step", "gpu hoisted-step", "gpu scan", "cpu -"]) {
    assert.ok(found[place]?.length >= SMALL.length, `${place}: ${found[place]?.length} cases`);
  }
  assertRight(found, Object.keys(found), 1);
  assert.deepEqual(problems, []);
  await page.close();
});

test("concurrent and disposed calls end as they should, on both devices", async () => {
  const { page, problems } = await open(browser, `${plain.url}plain.html`);
  for (const device of ["gpu", "cpu"]) {
    const { largest, count, refused, ...where } = await page.evaluate((device) => window.run.overlap(device), device);
    assert.equal(where.device, device);
    assert.ok(count > 300 && largest < 1e-6, `${count} values, largest difference ${largest}`);
    assert.equal(refused, "disposed");
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test("memory stays flat over thousands of sessions", async () => {
  const { page } = await open(browser, `${plain.url}plain.html`);
  assert.equal(await page.evaluate(() => window.run.cycles("cpu", 10_000)), 0);
  assert.equal(await page.evaluate(() => window.run.cycles("gpu", 300)), 0);
  await page.close();
});

test("a corrupt file gives a typed error on both devices", async () => {
  const { page } = await open(browser, `${plain.url}plain.html`);
  for (const device of ["gpu", "cpu"]) {
    const error = await page.evaluate(
      (device) => window.run.errorOf(() => window.run.all.Layer.load(new Uint8Array(100).fill(255), { device })),
      device,
    );
    assert.deepEqual(error.slice(0, 3), ["FileError", "file", true]);
    assert.match(error[3], /^file: expected safetensors/);
  }
  await page.close();
});

test("a worker computes the same", async () => {
  const { page, problems } = await open(browser, `${plain.url}plain.html`);
  const { found, overlapped, error } = await page.evaluate(
    ([names, devices]) =>
      new Promise((answer) => {
        const worker = new Worker("./worker.js", { type: "module" });
        worker.onmessage = ({ data }) => answer(data);
        worker.postMessage({ names, devices });
      }),
    [["lstm_two_layers", "gru_lengths"], EVERYWHERE.slice(3, 5)],
  );
  assert.equal(error, undefined);
  assertRight(found, Object.keys(found), 1);
  assert.ok(found["cpu -"].length === 2 && Object.keys(found).some((place) => place.startsWith("gpu")));
  assert.ok(overlapped.largest < 1e-6);
  assert.deepEqual(problems, []);
  await page.close();
});

function assertWorklet({ steps, different, silent, counted, missed, text }) {
  assert.deepEqual({ different, silent, counted, missed }, { different: 0, silent: false, counted: steps, missed: 0 });
  assert.match(text, /^undefined InputError input: expected \[M, T, I\] = \[1, T, 128\] values, found 3 values$/);
}

test("an AudioWorklet computes every bit, and misses no frame", async () => {
  const { page, problems } = await open(browser, `${plain.url}plain.html`);
  assertWorklet(await page.evaluate(() => window.run.offline("./processor.js", 10)));
  await page.click("#click");
  const { counted, missed } = await page.evaluate(() => window.run.live("./processor.js", 2));
  console.log(`in real time: ${counted} calls of 128 frames, ${missed} frames missed`);
  // 2 s are 690 calls at 44.1 kHz.
  assert.ok(counted > 400, `${counted} calls`);
  assert.deepEqual(problems, []);
  await page.close();
});

test("a bundle of Vite does all of that", async () => {
  const folder = filled("vite");
  vite = await serve(withCases(await bundled(folder)));
  const assets = readdirSync(join(folder, "dist/assets"));
  assert.equal(assets.filter((name) => name.endsWith(".wasm")).length, 3, assets.join(", "));
  const { page, problems } = await open(browser, vite.url);
  const names = ["rnn_relu", "lstm_projection", "gru_lengths"];
  const found = await page.evaluate(([names, devices]) => window.run.runCases(names, devices), [names, EVERYWHERE]);
  assertRight(found, Object.keys(found), 1);
  assertWorklet(await page.evaluate(() => window.run.offline(window.processor, 1)));
  const worked = await page.evaluate(([names, devices]) => window.work({ names, devices }), [names, EVERYWHERE.slice(3, 5)]);
  assert.equal(worked.error, undefined);
  assertRight(worked.found, Object.keys(worked.found), 1);
  assert.deepEqual(problems, []);
  await page.close();
});

test("without WebGPU the CPU goes on, and only its build is loaded", async () => {
  const other = await launch({ webgpu: false });
  try {
    plain.requests.length = 0;
    const { page, problems } = await open(other, `${plain.url}plain.html`);
    const found = await page.evaluate((names) => window.run.runCases(names, [{}]), ["gru_two_layers", "lstm_lengths"]);
    assertRight(found, ["cpu -"], 2);
    assert.deepEqual(plain.requests.filter((path) => /wasm\/.*wasm$/.test(path)), ["/node_modules/wgpu-rnn/wasm/cpu.wasm"]);
    const config = { cell: "gru", inputSize: 2, hiddenSize: 2 };
    const error = await page.evaluate(
      (config) => window.run.errorOf(() => window.run.all.Layer.seeded(config, 0, { device: "gpu" })),
      config,
    );
    assert.deepEqual(error.slice(0, 3), ["DeviceError", "device", true]);
    assert.deepEqual(problems, []);
  } finally {
    await other.close();
  }
});
