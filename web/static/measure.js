// Time against batch size.

import { breathe, message, milliseconds, number, row } from "./dom.js";
import { draw } from "./plot.js";

/** Letters of each word. */
const LETTERS = 10;
/** Calls that a median is of, at most; fewer where they take longer than that many milliseconds together. */
const CALLS = 7;
const PATIENCE = 500;
/** A device that takes longer for one call gets no larger batch. */
const TOO_LONG = 2000;

export class Measurement {
  /** `voices`: the name and class of each device, and the model on it. */
  constructor(model, voices) {
    this.model = model;
    this.voices = voices;
    this.largest = document.getElementById("largest");
    this.button = document.getElementById("measure");
    this.progress = document.getElementById("progress");
    this.running = false;
    this.button.addEventListener("click", () => (this.running ? this.stop() : this.run()));
    this.largest.addEventListener("change", () => this.auto());
    this.button.disabled = false;
  }

  /** Says what the library would take by itself. */
  async auto() {
    const batch = Number(this.largest.value);
    const choice = await this.model.auto(batch, LETTERS);
    document.getElementById("auto").textContent = `For N = ${batch} the library would take: ${choice}.`;
  }

  stop() {
    this.running = false;
  }

  async run() {
    this.running = true;
    this.button.textContent = "Stop";
    const largest = Number(this.largest.value);
    const series = this.voices.map(({ name, kind, voice }) => ({ name, kind, voice, points: [], slow: false }));
    try {
      for (let batch = 1; batch <= largest && this.running; batch *= 2) {
        for (const one of series.filter(({ slow }) => !slow)) {
          if (!this.running) break;
          this.progress.textContent = `${one.name}, N = ${batch} …`;
          await breathe();
          await this.#add(one, batch);
          this.#show(series);
        }
      }
      const slow = series.filter(({ slow }) => slow).map(({ name }) => name);
      const why = slow.length > 0 ? ` Larger batches were left out where a call took two seconds: ${slow.join(", ")}.` : "";
      this.progress.textContent = (this.running ? "Done." : "Stopped.") + why;
    } catch (error) {
      this.progress.textContent = message(error);
    }
    this.running = false;
    this.button.textContent = "Measure";
  }

  async #add(one, batch) {
    const { speaker } = one.voice;
    const time = async () => {
      const start = performance.now();
      await speaker.read(batch, LETTERS);
      return performance.now() - start;
    };
    const first = await time();
    const times = [];
    let sum = 0;
    while (times.length < CALLS && (times.length === 0 || sum < PATIENCE) && this.running) {
      times.push(await time());
      sum += times.at(-1);
      await breathe();
    }
    if (times.length === 0) return;
    times.sort((a, b) => a - b);
    one.points.push({ batch, time: times[Math.floor(times.length / 2)] });
    one.slow = first > TOO_LONG || times[0] > TOO_LONG;
  }

  #show(series) {
    document.getElementById("figure").hidden = false;
    const plot = document.getElementById("plot");
    plot.replaceChildren(draw(series, plot.clientWidth));
    const table = document.getElementById("times");
    table.hidden = false;
    const batches = [...new Set(series.flatMap(({ points }) => points.map(({ batch }) => batch)))];
    const rows = batches.map((batch) => {
      const time = (kind) => {
        const point = series.find((one) => one.kind === kind)?.points.find((point) => point.batch === batch);
        return point ? milliseconds(point.time) : "–";
      };
      return row(String(batch), number(time("gpu")), number(time("cpu")));
    });
    table.querySelector("tbody").replaceChildren(...rows);
  }
}
