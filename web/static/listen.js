// The voice detector over live sound: the microphone, or the page's own sound.

import { compile } from "./wgpu-rnn/cpu.js";
import { element, message } from "./dom.js";
import { sound } from "./vowels.js";

/** The rate that the model was trained with. The browser converts the microphone's. */
const RATE = 16_000;
/** Steps that are drawn, of 512 samples each: 8 s. */
const SHOWN = 250;
const STEP = 512 / RATE;
/** Where speech begins, as in the model's own examples. */
const THRESHOLD = 0.5;

export class Listening {
  #context = null;
  #steps = [];
  #latest = null;
  #ended = null;

  constructor() {
    this.section = document.getElementById("listen");
    this.canvas = this.section.querySelector("canvas");
    this.verdict = document.getElementById("heard");
    this.numbers = document.getElementById("listening");
    this.play = document.getElementById("play");
    this.microphone = document.getElementById("microphone");
    this.stop = document.getElementById("stop");
    this.play.addEventListener("click", () => this.#start(bundled));
    this.microphone.addEventListener("click", () => this.#start(microphone));
    this.stop.addEventListener("click", () => this.#end("Stopped."));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    this.play.disabled = this.microphone.disabled = false;
    this.#draw();
  }

  async #start(source) {
    await this.#end("");
    this.#steps = [];
    const context = new AudioContext({ sampleRate: RATE });
    this.#context = context;
    this.stop.disabled = false;
    this.#say("Loading the model (1.2 MB) …");
    try {
      const [module, model] = await Promise.all([compile(), fetched("silero_vad_16k.safetensors")]);
      await context.audioWorklet.addModule("listen-processor.js");
      const input = await source(context);
      if (this.#context !== context) return input.end();
      const processorOptions = { module, model };
      const node = new AudioWorkletNode(context, "listener", { processorOptions, channelCount: 1, channelCountMode: "explicit" });
      node.port.onmessage = ({ data }) => this.#take(data);
      node.onprocessorerror = () => this.#end("The detector failed.", true);
      input.node.connect(node);
      // The page's own sound is heard; the microphone is not, which would echo.
      if (input.audible) node.connect(context.destination);
      else node.connect(new GainNode(context, { gain: 0 })).connect(context.destination);
      this.#ended = input.end;
      input.start(() => this.#context === context && this.#end("The sound has ended."));
      await context.resume();
      this.section.dataset.state = "running";
    } catch (error) {
      if (this.#context === context) await this.#end(message(error), true);
    }
  }

  async #end(text, failed = false) {
    const context = this.#context;
    this.#context = null;
    this.#ended?.();
    this.#ended = null;
    this.stop.disabled = true;
    if (text) this.#say(text, failed);
    this.section.dataset.state = "idle";
    if (context !== null && context.state !== "closed") await context.close();
  }

  #say(text, failed = false) {
    this.verdict.textContent = text;
    this.verdict.classList.toggle("error", failed);
    delete this.verdict.dataset.speech;
  }

  #take(step) {
    if (this.#context === null) return;
    this.#steps.push(step);
    if (this.#steps.length > SHOWN) this.#steps.shift();
    const speech = step.speech >= THRESHOLD;
    if (this.verdict.dataset.speech !== String(speech)) {
      this.#say(speech ? "Speech" : "No speech");
      this.verdict.dataset.speech = String(speech);
    }
    this.section.dataset.heard ||= speech ? "speech" : "";
    if (this.#latest === null) requestAnimationFrame(() => this.#show());
    this.#latest = step;
  }

  #show() {
    const { speech, level, missed, steps, spent } = this.#latest;
    this.#latest = null;
    const decibels = level > 0 ? `${Math.max(-99, 20 * Math.log10(level)).toFixed(0)} dB` : "silence";
    const values = {
      "Probability of speech": `${(100 * speech).toFixed(0)} %`,
      Level: decibels,
      "Computing a step": `${(spent / steps).toFixed(1)} ms of ${1000 * STEP} ms`,
      Latency: `${(1000 * STEP + spent / steps).toFixed(0)} ms`,
      "Missed frames": `${missed} of ${steps * 512}`,
    };
    const lines = Object.entries(values).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
    this.numbers.replaceChildren(...lines);
    this.#draw();
  }

  #draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = window.devicePixelRatio;
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [top, inner] = [14, height - 20];
    const x = (index) => ((index + SHOWN - this.#steps.length) / (SHOWN - 1)) * width;
    const y = (share) => top + (1 - share) * (inner - top);
    pen.strokeStyle = pen.fillStyle = colour("--line");
    pen.fillRect(0, inner, width, 1);
    pen.setLineDash([4, 4]);
    pen.beginPath();
    pen.moveTo(0, y(THRESHOLD));
    pen.lineTo(width, y(THRESHOLD));
    pen.stroke();
    pen.setLineDash([]);
    // -60 dB to 0 dB.
    pen.fillStyle = colour("--cpu");
    pen.globalAlpha = 0.55;
    for (const [index, { level }] of this.#steps.entries()) {
      const share = Math.min(1, Math.max(0, 1 + Math.log10(Math.max(level, 1e-6)) / 3));
      pen.fillRect(x(index), y(share), Math.max(1, width / SHOWN), inner - y(share));
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("--gpu");
    pen.lineWidth = 2;
    pen.beginPath();
    for (const [index, { speech }] of this.#steps.entries()) pen.lineTo(x(index), y(speech));
    pen.stroke();
    pen.fillStyle = colour("--quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.fillText("8 s ago", 2, height - 5);
    pen.textAlign = "right";
    pen.fillText("now", width - 2, height - 5);
  }
}

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

/** The page's own sound. */
function bundled(context) {
  const samples = sound();
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: RATE });
  buffer.copyToChannel(samples, 0);
  const node = new AudioBufferSourceNode(context, { buffer });
  const start = (ended) => {
    node.onended = ended;
    node.start();
  };
  return { node, audible: true, start, end: () => (node.onended = null) };
}

async function microphone(context) {
  if (!navigator.mediaDevices) throw new Error("This browser gives no microphone to a page without HTTPS.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const end = () => stream.getTracks().forEach((track) => track.stop());
  return { node: new MediaStreamAudioSourceNode(context, { mediaStream: stream }), audible: false, start: () => {}, end };
}
