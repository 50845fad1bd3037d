// A recurrent layer over sound: each 128 frames are one step.

import { Layer, initSync } from "wgpu-rnn/cpu";

class Recurrent extends AudioWorkletProcessor {
  constructor({ processorOptions: { module, config } }) {
    super();
    this.steps = 0;
    this.missed = 0;
    this.behind = 0;
    this.next = null;
    try {
      initSync(module);
      this.session = Layer.seeded(config, 1).session();
      this.port.postMessage({ error: null });
    } catch (error) {
      this.port.postMessage({ error: `${error.name}: ${error.message}` });
    }
    this.port.onmessage = () => {
      const { steps: counted, missed, behind } = this;
      this.port.postMessage({ counted, missed, behind, text: this.text() });
    };
  }

  /** The text of an error, which has to be decoded without the browser's TextDecoder. */
  text() {
    try {
      this.session.push(new Float32Array(3));
    } catch (error) {
      return `${typeof TextDecoder} ${error.name} ${error.message}`;
    }
    return "none";
  }

  process([[input]], [[output]]) {
    if (input === undefined) return true;
    this.start ??= Date.now() - (1000 * currentFrame) / sampleRate;
    this.behind = Math.round(((Date.now() - this.start) * sampleRate) / 1000 - currentFrame);
    if (this.next !== null) this.missed += currentFrame - this.next;
    this.next = currentFrame + input.length;
    this.session.pushInto(input, output);
    this.steps++;
    return true;
  }
}

registerProcessor("recurrent", Recurrent);
