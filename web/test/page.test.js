// What a visitor does, done in a browser. scripts/browser-test runs it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { check, launch, open, said, screenshot, serve } from "./browser.js";

const ROOT = new URL("../../", import.meta.url);
const EXPECTED = readFileSync(new URL("examples/pronounce/expected.tsv", ROOT), "utf8")
  .trim()
  .split("\n")
  .map((line) => line.split("\t"));
/** What ONNX Runtime 1.30 gives for each step of the page's sound, with the weights of silero_vad_16k.safetensors in the graph
 * of silero_vad_16k_op15.onnx, both of silero-vad 6.2.3. */
const SPEECH = JSON.parse(readFileSync(new URL("web/test/speech.json", ROOT), "utf8"));
/** Every cell, with what it can have, small: the adapter is a CPU. */
const GOLDEN = [
  "rnn_two_layers", "rnn_relu", "rnn_no_bias", "rnn_bidirectional", "rnn_one_of_everything",
  "lstm_two_layers", "lstm_projection", "lstm_no_bias", "lstm_one_of_everything",
  "gru_two_layers", "gru_no_bias", "gru_one_of_everything", "gru_lengths",
].map((name) => `${name}.safetensors`);
/** With activations, a clip and the like; the GRU that resets before the recurrent product; peepholes. */
const ONNX = [
  "attributes/00", "attributes/03", "node_tests/test_gru_bidirectional", "node_tests/test_lstm_with_peepholes",
].map((name) => `${name}.onnx`);
const ROWS_WITH_GPU = ["WebGPU step pass", "WebGPU hoisted-step pass", "WebGPU scan pass", "CPU – pass"];

const golden = (name) => fileURLToPath(new URL(`tests/golden/${name}`, ROOT));
const file = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer });

/** Device, strategy and result of each row of the checks. */
const rows = (page, section = "#checks") =>
  page.locator(`${section} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.children].slice(0, 3).map((cell) => cell.textContent).join(" ")),
  );

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([serve(), launch()]);
});
after(async () => {
  await browser?.close();
  server?.stop();
});

test("twenty words are pronounced right on WebGPU and on the CPU", async () => {
  const { page, problems } = await open(browser, server.url);
  assert.equal(await page.getAttribute("html", "data-ready"), "gpu", await page.textContent("#status"));
  assert.match(await page.textContent("#gpu .about"), /swiftshader.*, a driver on the CPU$/i);
  const some = EXPECTED.filter((_, index) => index % 15 === 0);
  assert.equal(some.length, 20);
  for (let first = 0; first < some.length; first += 4) {
    const four = some.slice(first, first + 4);
    const words = four.map(([word]) => word);
    await page.fill("#words", words.join(" "));
    for (const kind of ["gpu", "cpu"]) {
      assert.deepEqual(await said(page, kind, words), four.map(([, phonemes]) => phonemes), kind);
      assert.match(await page.textContent(`#${kind} .time`), /^in [\d.]+ ms$/);
    }
    const [, difference] = (await page.textContent("#difference")).match(/hidden state: (\S+)\.$/);
    assert.ok(Number(difference) < 1e-5, difference);
  }
  assert.match(await page.textContent("#plan tbody"), /encoder4 × \d+.*decoder4 × 1/);
  assert.match(await page.textContent("#plan pre"), /dispatches in 1 submission/);
  await screenshot(page, "words");
  assert.deepEqual(problems, []);
  await page.close();
});

test("words are said while they are typed, with the keyboard alone", async () => {
  const { page, problems } = await open(browser, server.url);
  await screenshot(page, "desktop");
  const reached = [];
  for (let step = 0; step < 20; step++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
  }
  const order = ["play", "microphone", "words", "SUMMARY", "largest", "measure", "file", "part"];
  assert.deepEqual(reached.filter((name) => order.includes(name)).slice(0, order.length), order);
  await page.focus("#words");
  await page.keyboard.press("Control+A");
  const [word, phonemes] = EXPECTED.find(([word]) => word === "crooked");
  await page.keyboard.type(word, { delay: 40 });
  for (const kind of ["gpu", "cpu"]) assert.deepEqual(await said(page, kind, [word]), [phonemes]);
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  for (const kind of ["gpu", "cpu"]) assert.deepEqual(await said(page, kind, []), []);
  assert.equal(await page.textContent("#difference"), "");
  assert.deepEqual(problems, []);
  await page.close();
});

test("the detector gives what ONNX Runtime gives for the page's sound", async () => {
  const { page, problems } = await open(browser, server.url);
  const found = await page.evaluate(async () => {
    const [{ init, Layer }, { Detector, SAMPLES }, { sound }] = await Promise.all(
      ["./wgpu-rnn/cpu.js", "./detector.js", "./vowels.js"].map((name) => import(name)),
    );
    await init();
    const model = await (await fetch("silero_vad_16k.safetensors")).arrayBuffer();
    const detector = new Detector(new Uint8Array(model), Layer);
    const samples = sound();
    const steps = Array.from({ length: Math.floor(samples.length / SAMPLES) }, (_, at) => at * SAMPLES);
    return steps.map((at) => detector.step(samples.subarray(at, at + SAMPLES)));
  });
  assert.equal(found.length, SPEECH.length);
  found.forEach((value, step) => assert.ok(Math.abs(value - SPEECH[step]) < 1e-4, `step ${step}: ${value}, ${SPEECH[step]}`));
  assert.ok(SPEECH.some((value) => value > 0.99) && SPEECH.slice(-90).every((value) => value < 0.2));
  assert.deepEqual(problems, []);
  await page.close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`speech is heard in live sound, and missed frames are counted, ${colorScheme}`, async () => {
    const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 };
    const { page, problems } = await open(browser, server.url, { colorScheme, ...(colorScheme === "dark" && phone) });
    await page.click("#play");
    await page.waitForSelector("#heard[data-speech=true]");
    await page.waitForFunction(() => Number(document.querySelector("#listening dd:last-of-type")?.textContent.split(" ").at(-1)) > 40_000);
    await screenshot(page, `listen-${colorScheme}`);
    assert.match(await page.textContent("#listening"), /Probability of speech\d+ %Level-?\d+ dB.*Latency\d+ ms.*Missed frames\d+ of \d+/);
    console.log(await page.textContent("#listening dd:last-of-type"), "frames missed");
    await page.click("#stop");
    assert.equal(await page.textContent("#heard"), "Stopped.");
    await page.focus("#microphone");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#listen[data-state=running]");
    await page.waitForFunction(() => /Missed frames/.test(document.getElementById("listening").textContent));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#listen[data-state=idle]");
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(inner <= outer, `${inner} in ${outer}`);
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test("golden cases of every cell pass with every strategy", async () => {
  const { page, problems } = await open(browser, server.url);
  await check(page, GOLDEN.map(golden));
  const sections = page.locator("#checks > section");
  for (const [index, name] of GOLDEN.entries()) {
    assert.equal(await sections.nth(index).locator("h3").textContent(), name);
    assert.match(await sections.nth(index).locator("p").first().textContent(), /Beside PyTorch's result/);
    assert.deepEqual(await rows(page, `#checks > section:nth-child(${index + 1})`), ROWS_WITH_GPU, name);
  }
  await screenshot(page, "golden");
  assert.deepEqual(problems, []);
  await page.close();
});

test("weights without an input are held against the reference", async () => {
  const { page, problems } = await open(browser, server.url);
  await check(page, [fileURLToPath(new URL("examples/pronounce/g2p.safetensors", ROOT))], "decoder.");
  assert.deepEqual(await rows(page), ROWS_WITH_GPU);
  assert.match(await page.textContent("#checks p"), /GRU.*N = 3, T = 12.*same layer in 64 bits/is);
  await screenshot(page, "weights");
  assert.deepEqual(problems, []);
  await page.close();
});

test("layers of ONNX models are checked, with what PyTorch has not", async () => {
  const { page, problems } = await open(browser, server.url);
  const models = ONNX.map((name) => fileURLToPath(new URL(`tests/onnx/${name}`, ROOT)));
  await check(page, models);
  for (const [index, name] of ONNX.entries()) {
    assert.deepEqual(await rows(page, `#checks > section:nth-child(${index + 1})`), ROWS_WITH_GPU, name);
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test("a model's second file is asked for", async () => {
  const { page, problems } = await open(browser, server.url);
  const graphs = (name) => fileURLToPath(new URL(`tests/onnx/graphs/${name}`, ROOT));
  await check(page, [graphs("external.onnx")]);
  assert.match(await page.textContent("#checks p"), /external\.onnx has weights in another file/);
  await page.setInputFiles("#checks input[type=file]", graphs("external.bin"));
  await page.waitForSelector("#checks:not([aria-busy]) table");
  assert.deepEqual(await rows(page), ROWS_WITH_GPU);
  assert.match(await page.textContent("#checks p"), /LSTM\(3, 4\)/);
  assert.deepEqual(problems, []);
  await page.close();
});

test("a broken file gives the library's error, and a wrong result fails", async () => {
  const { page, problems } = await open(browser, server.url);
  const whole = readFileSync(golden("gru_two_layers.safetensors"));
  const wrong = Buffer.from(whole);
  // The first element of what PyTorch found in f64, which is 1000 now.
  const header = Number(whole.readBigUInt64LE(0));
  const { data_offsets } = JSON.parse(whole.subarray(8, 8 + header)).output_f64;
  wrong.writeDoubleLE(1000, 8 + header + data_offsets[0]);
  await check(page, [
    file("truncated.safetensors", whole.subarray(0, whole.length - 100)),
    file("noise.onnx", Buffer.alloc(64, 0xff)),
    file("wrong.safetensors", wrong),
  ]);
  const [truncated, noise] = await page.locator("#checks .error[role=alert]").allTextContents();
  assert.match(truncated, /safetensors: expected a complete safetensors file, found/);
  assert.match(noise, /onnx: expected a complete ONNX model, found/);
  assert.deepEqual(await rows(page), ROWS_WITH_GPU.map((row) => row.replace("pass", "FAIL")));
  assert.match(await page.textContent("#checks > section:nth-child(3) .error[role=alert]"), /output\[0, 0, 0\]: expected 1000/);
  await screenshot(page, "errors");
  assert.deepEqual(problems, []);
  await page.close();
});

test("time against batch size is measured and drawn", async () => {
  const { page, problems } = await open(browser, server.url);
  assert.match(await page.textContent("#auto"), /^For N = 64 the library would take: cpu, since there are only software adapters/);
  await page.selectOption("#largest", "4");
  await page.click("#measure");
  await page.waitForFunction(() => document.getElementById("progress").textContent.startsWith("Done."));
  assert.match(await page.textContent("#auto"), /^For N = 4 the library would take: cpu, since /);
  assert.deepEqual(await page.locator("#times tbody th").allTextContents(), ["1", "2", "4"]);
  for (const time of await page.locator("#times tbody td").allTextContents()) assert.match(time, /^[\d.]+ ms$/);
  assert.deepEqual([await page.locator("#plot circle").count(), await page.locator("#plot rect").count()], [3, 3]);
  await screenshot(page, "plot");
  assert.deepEqual(problems, []);
  await page.close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`a phone shows it without scrolling sideways, ${colorScheme}`, async () => {
    const { page, problems } = await open(browser, server.url, {
      viewport: { width: 360, height: 740 },
      deviceScaleFactor: 2,
      colorScheme,
    });
    const long = "incomprehensibilities";
    await page.fill("#words", long);
    await said(page, "gpu", [long]);
    await check(page, [golden("lstm_projection.safetensors")]);
    await page.selectOption("#largest", "4");
    await page.click("#measure");
    await page.waitForFunction(() => document.getElementById("progress").textContent.startsWith("Done."));
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(inner <= outer, `${inner} in ${outer}`);
    await screenshot(page, `phone-${colorScheme}`);
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test("without WebGPU the page says so and goes on with the CPU", async () => {
  const plain = await launch({ webgpu: false });
  try {
    const { page, problems } = await open(plain, server.url);
    assert.equal(await page.getAttribute("html", "data-ready"), "cpu");
    assert.match(await page.textContent("#status"), /^No WebGPU: everything below runs on the CPU alone\./);
    assert.match(await page.textContent("#gpu .about"), /^No WebGPU: no /);
    assert.match(await page.textContent("#auto"), /: cpu, since no GPU adapter/);
    await page.fill("#words", "hello");
    assert.deepEqual(await said(page, "cpu", ["hello"]), ["HH EH1 L OW0"]);
    await check(page, [golden("gru_no_bias.safetensors")]);
    assert.deepEqual(await rows(page), ["CPU – pass"]);
    await screenshot(page, "no-webgpu");
    assert.deepEqual(problems, []);
  } finally {
    await plain.close();
  }
});
