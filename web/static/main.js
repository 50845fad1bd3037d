// The page: what there is to run on, and what is done with it.

import init, { Device, Model } from "./wgpu_rnn_web.js";
import { Checks } from "./check.js";
import { bytes, message, number, row } from "./dom.js";
import { Listening } from "./listen.js";
import { Measurement } from "./measure.js";
import { Voice } from "./voice.js";

const $ = (id) => document.getElementById(id);
const voices = { gpu: null, cpu: null };

function words() {
  return $("words").value.split(/\s+/).filter((word) => word !== "");
}

function say() {
  for (const voice of Object.values(voices)) voice?.say(words());
}

async function model() {
  const [response] = await Promise.all([fetch("g2p.safetensors"), init()]);
  if (!response.ok) throw new Error(`g2p.safetensors: ${response.status} ${response.statusText}`);
  return new Model(new Uint8Array(await response.arrayBuffer()));
}

/** Loads the model onto a device and says what has been typed. */
async function start(kind, device, model) {
  voices[kind] = await Voice.load(model, device, $(kind), compare);
  await voices[kind].say(words());
  // For measurements: when the first word was there.
  performance.mark(`${kind}-spoke`);
}

/** The browser's GPU, or none, which the page says. */
async function gpu(model) {
  const about = $("gpu").querySelector(".about");
  try {
    const device = await Device.gpu();
    about.textContent = `${await adapter()}${device.is_software() ? ", a driver on the CPU" : ""}`;
    await start("gpu", device, model);
    return device;
  } catch (error) {
    about.textContent = `No WebGPU: ${message(error)}`;
    about.classList.add("error");
    voices.gpu = null;
    return null;
  }
}

/** What the browser tells of the adapter; asked for as the library does. */
async function adapter() {
  const { info } = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const known = [info.description || info.device, info.vendor, info.architecture].filter((text) => text);
  return known.join(", ") || "a GPU that the browser does not name";
}

/** Why there may be no WebGPU. */
function why() {
  if (!window.isSecureContext) return "This page was not loaded over HTTPS or from this machine, and so has no WebGPU.";
  if (!("gpu" in navigator)) return "This browser has no WebGPU, or it is turned off.";
  return "This browser's WebGPU has no adapter that can be used.";
}

/** How far the two devices are apart, once both have said the same words. */
function compare() {
  const [a, b] = [voices.gpu?.last, voices.cpu?.last];
  if (!a || !b || a.words.join(" ") !== b.words.join(" ") || a.words.length === 0) {
    $("difference").textContent = "";
    return;
  }
  const difference = a.spoken.difference(b.spoken);
  $("difference").textContent =
    difference === undefined
      ? "The two did not say the same."
      : `The same phonemes. Largest difference between the two in any hidden state: ${difference.toExponential(1)}.`;
  plan(a.spoken);
}

function plan(spoken) {
  const [encoder, decoder] = voices.gpu.speaker.plans(spoken);
  const line = (name, { batch, steps, strategy, dispatches, bytes: size }, calls) => {
    const times = calls === 1 ? `${dispatches}` : `${dispatches} × ${calls} calls`;
    return row(name, `${batch} × ${steps}`, strategy, number(times), number(bytes(size)));
  };
  $("plan").querySelector("tbody").replaceChildren(
    line("encoder", encoder, 1),
    line("decoder", decoder, spoken.decoder_calls()),
  );
  $("plan").querySelector("pre").textContent = `encoder\n${encoder.text}\ndecoder\n${decoder.text}`;
  $("plan").hidden = false;
}

async function main() {
  new Listening();
  const loaded = await model();
  $("status").textContent = "The model is loaded; asking for a GPU …";
  $("words").addEventListener("input", say);
  const cpu = Device.cpu();
  await start("cpu", cpu, loaded);
  const device = await gpu(loaded);
  $("status").textContent =
    device === null ? `No WebGPU: everything below runs on the CPU alone. ${why()}` : "Running on WebGPU and on the CPU.";
  const shown = [
    { name: "WebGPU", kind: "gpu", voice: voices.gpu },
    { name: "CPU", kind: "cpu", voice: voices.cpu },
  ];
  await new Measurement(loaded, shown.filter(({ voice }) => voice !== null)).auto();
  new Checks(cpu, device);
  document.documentElement.dataset.ready = device === null ? "cpu" : "gpu";
}

main().catch((error) => {
  $("status").textContent = message(error);
  $("status").classList.add("error");
  document.documentElement.dataset.ready = "failed";
});
