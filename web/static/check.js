// A visitor's weights.

import { Problem } from "./wgpu_rnn_web.js";
import { breathe, element, message, number, row } from "./dom.js";

/** The GPU's strategies, one after the other, so that each is checked. */
const STRATEGIES = ["step", "hoisted-step", "scan"];

/** How much of its tolerance the worst element used; null stands for what JSON cannot say, infinity. */
function share(used) {
  if (used === null) return "∞";
  return used < 10 ? `${(100 * used).toFixed(1)} %` : `${used.toExponential(1)} ×`;
}

export class Checks {
  /** `cpu` and `gpu` are devices; there may be no `gpu`. */
  constructor(cpu, gpu) {
    this.runs = gpu === null ? [] : STRATEGIES.map((strategy) => ({ name: "WebGPU", device: gpu, strategy }));
    this.runs.push({ name: "CPU", device: cpu, strategy: "auto" });
    this.file = document.getElementById("file");
    this.button = document.getElementById("check");
    this.part = document.getElementById("part");
    this.results = document.getElementById("checks");
    this.file.disabled = false;
    this.file.addEventListener("change", () => this.run());
    this.button.addEventListener("click", () => this.run());
    this.part.addEventListener("keydown", ({ key }) => key === "Enter" && this.run());
  }

  async run() {
    if (this.file.files.length === 0 || this.results.hasAttribute("aria-busy")) return;
    this.button.disabled = true;
    this.results.setAttribute("aria-busy", "true");
    this.results.replaceChildren();
    for (const file of this.file.files) {
      const section = element("section", {}, element("h3", {}, file.name));
      this.results.append(section);
      try {
        await this.#check(file, section);
      } catch (error) {
        section.append(element("p", { class: "error", role: "alert" }, message(error)));
      }
    }
    this.results.removeAttribute("aria-busy");
    this.button.disabled = false;
  }

  async #check(file, section) {
    const about = element("p", {}, "Computing the reference …");
    section.append(about);
    const bytes = new Uint8Array(await file.arrayBuffer());
    await breathe();
    let problem;
    try {
      problem = new Problem(file.name, bytes, this.part.value.trim());
    } catch (error) {
      about.remove();
      throw error;
    }
    about.textContent = this.#about(JSON.parse(problem.about()));
    const table = this.#table(section);
    const failed = [];
    for (const { name, device, strategy } of this.runs) {
      await breathe();
      const [line, note] = await this.#run(problem, name, device, strategy);
      table.append(line);
      if (note) failed.push(note);
    }
    for (const note of failed) section.append(element("p", { class: "error", role: "alert" }, note));
    problem.free();
  }

  #about({ layer, batch, steps, torch }) {
    const shape = `${layer}, N = ${batch}, T = ${steps}.`;
    return torch === null
      ? `${shape} Rows of different lengths, from a random state, beside the same layer in 64 bits.`
      : `${shape} Beside PyTorch's result in 64 bits, from which PyTorch's own in 32 bits is ${torch.toExponential(1)} off.`;
  }

  #table(section) {
    const heads = [["device"], ["strategy"], ["result"], ["largest error", "number"], ["of its tolerance", "number"]];
    const cells = heads.map(([text, kind]) => element("th", { scope: "col", ...(kind && { class: kind }) }, text));
    const body = element("tbody");
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...cells)), body);
    section.append(element("div", { class: "wide" }, table));
    return body;
  }

  /** A line of the table, and what went wrong. */
  async #run(problem, name, device, strategy) {
    const [shown, where] = strategy === "auto" ? ["–", name] : [strategy, `${name}, ${strategy}`];
    try {
      const { pass, absolute, used, worst } = JSON.parse(await problem.run(device, strategy));
      const verdict = element("td", { class: pass ? "good" : "error" }, pass ? "pass" : "FAIL");
      const error = absolute === null ? "∞" : absolute.toExponential(1);
      return [row(name, shown, verdict, number(error), number(share(used))), pass ? null : `${where}: ${worst}`];
    } catch (error) {
      const verdict = element("td", { class: "error" }, "error");
      return [row(name, shown, verdict, number("–"), number("–")), `${where}: ${message(error)}`];
    }
  }
}
