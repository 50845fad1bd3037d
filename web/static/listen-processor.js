// The voice detector in an AudioWorklet: each call brings 128 samples, and four calls make a step of the model.

import { Layer, initSync } from "./wgpu-rnn/cpu.js";
import { Detector, SAMPLES } from "./detector.js";

class Listener extends AudioWorkletProcessor {
  constructor({ processorOptions: { module, model } }) {
    super();
    this.samples = new Float32Array(SAMPLES);
    this.filled = 0;
    this.next = null;
    this.missed = 0;
    this.steps = 0;
    /** Milliseconds of all steps. The clock of a worklet shows whole ones, so that only their sum means something. */
    this.spent = 0;
    initSync(module);
    this.detector = new Detector(new Uint8Array(model), Layer);
  }

  process([[input]], [[output]]) {
    if (this.next !== null) this.missed += currentFrame - this.next;
    this.next = currentFrame + output.length;
    if (input === undefined) return true;
    output.set(input);
    this.samples.set(input, this.filled);
    this.filled += input.length;
    if (this.filled === SAMPLES) this.#step();
    return true;
  }

  #step() {
    this.filled = 0;
    const start = Date.now();
    const speech = this.detector.step(this.samples);
    this.spent += Date.now() - start;
    this.steps++;
    let power = 0;
    for (const sample of this.samples) power += sample * sample;
    const level = Math.sqrt(power / SAMPLES);
    this.port.postMessage({ speech, level, missed: this.missed, steps: this.steps, spent: this.spent });
  }
}

registerProcessor("listener", Listener);
