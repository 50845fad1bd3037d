// The model on one device, and the card that shows what it says.

import { Speaker } from "./wgpu_rnn_web.js";
import { element, message, milliseconds } from "./dom.js";

export class Voice {
  /** `said` is called after each word that was said. */
  static async load(model, device, card, said) {
    return new Voice(await Speaker.load(model, device), card, said);
  }

  constructor(speaker, card, said) {
    this.speaker = speaker;
    this.card = card;
    this.said = said;
    this.wanted = null;
    this.busy = false;
    this.last = null;
    this.compiled = false;
  }

  /** Says words; of those that come while others are being said, only the latest are. */
  async say(words) {
    this.wanted = words;
    if (this.busy) return;
    this.busy = true;
    this.card.setAttribute("aria-busy", "true");
    while (this.wanted !== null) {
      const next = this.wanted;
      this.wanted = null;
      await this.#say(next);
    }
    this.busy = false;
    this.card.removeAttribute("aria-busy");
  }

  async #say(words) {
    const time = this.card.querySelector(".time");
    try {
      const start = performance.now();
      const spoken = await this.speaker.pronounce(words);
      const took = performance.now() - start;
      this.last = { words, spoken, phonemes: spoken.phonemes() };
      this.#show();
      const compiling = this.card.id === "gpu" && !this.compiled ? ", kernels compiled for the first time" : "";
      time.textContent = words.length === 0 ? "" : `in ${milliseconds(took)}${compiling}`;
      this.compiled ||= words.length > 0;
      time.classList.remove("error");
    } catch (error) {
      this.last = null;
      time.textContent = message(error);
      time.classList.add("error");
    }
    this.said();
  }

  #show() {
    const { words, phonemes } = this.last;
    const lines = words.flatMap((word, index) => [
      element("dt", {}, word),
      element("dd", {}, phonemes[index] || "(nothing)"),
    ]);
    this.card.querySelector(".said").replaceChildren(...lines);
  }
}
