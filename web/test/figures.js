// How large the page is, and how soon it speaks; each load in a browser of its own, with nothing cached.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { launch, open, serve } from "./browser.js";

const LOADS = 5;

for (const name of ["wgpu_rnn_web_bg.wasm", "wgpu_rnn_web.js", "g2p.safetensors"]) {
  const bytes = readFileSync(join(process.env.PAGE, name));
  console.log(`${name}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} with gzip -9`);
}

const server = await serve();
const marks = ["cpu-spoke", "gpu-spoke"];
const times = { "cpu-spoke": [], "gpu-spoke": [] };
for (let load = 0; load < LOADS; load++) {
  const browser = await launch();
  const { page } = await open(browser, server.url);
  for (const mark of marks) {
    const at = await page.evaluate((name) => performance.getEntriesByName(name)[0]?.startTime, mark);
    times[mark].push(Math.round(at));
  }
  await browser.close();
}
server.stop();
for (const mark of marks) {
  const sorted = times[mark].toSorted((a, b) => a - b);
  console.log(`from navigation to ${mark}: median ${sorted[LOADS >> 1]} ms of ${sorted.join(", ")}`);
}
