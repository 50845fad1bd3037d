// The page in Chromium, whose WebGPU runs on SwiftShader: on the CPU, so that no machine needs a GPU.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
// A microphone that beeps, and no question for it.
const MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const NO_WEBGPU = ["--disable-features=WebGPU", "--disable-blink-features=WebGPU"];

/** The folder and the files' server that scripts/browser-test names. */
function environment(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; scripts/browser-test sets it`);
  return value;
}

/** Serves the page as scripts/web does, and says where. */
export async function serve() {
  const server = spawn(environment("PAGE_TOOL"), ["serve", environment("PAGE"), "--port", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: server.stdout })) return { url: line, stop: () => server.kill() };
  throw new Error("the server ended");
}

export function launch({ webgpu = true } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Chromium has no sandbox for root, as which containers run.
    chromiumSandbox: false,
    args: [...QUIET, ...MICROPHONE, ...(webgpu ? WEBGPU : NO_WEBGPU)],
  });
}

/** A page that is ready; `problems` gathers what the browser complains about. */
export async function open(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, ...options });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.setDefaultTimeout(120_000);
  await page.goto(url);
  await page.waitForSelector("[data-ready]", { state: "attached" });
  return { page, problems };
}

/** What stands in a device's card for words, once they are there. */
export async function said(page, kind, words) {
  const card = page.locator(`#${kind}`);
  await page.waitForFunction(
    ([kind, words]) => {
      const card = document.getElementById(kind);
      const shown = [...card.querySelectorAll("dt")].map((word) => word.textContent);
      return !card.hasAttribute("aria-busy") && shown.join(" ") === words.join(" ");
    },
    [kind, words],
  );
  return card.locator("dd").allTextContents();
}

/** Gives the page files, and waits until they are checked. */
export async function check(page, files, part = "") {
  await page.fill("#part", part);
  await page.setInputFiles("#file", files);
  await page.waitForFunction(
    (count) =>
      document.querySelectorAll("#checks > section").length === count &&
      !document.getElementById("checks").hasAttribute("aria-busy"),
    files.length,
  );
}

/** A picture of the page, to be looked at, where SCREENSHOTS names a folder. */
export async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
