// A visitor's weights.

import { Files, Problem } from "./wgpu_rnn_web.js";
import { breathe, element, message, number, row } from "./dom.js";

/** The GPU's strategies, one after the other, so that each is checked. */
const STRATEGIES = ["step", "hoisted-step", "scan"];

/** Whether a file is checked, and is not only one beside a model. */
const isWhole = ({ name }) => /\.(onnx|safetensors)$/i.test(name);

/** How much of its tolerance the worst element used; it may be infinite. */
function share(used) {
  if (used === Infinity) return "∞";
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
    /** The files beside models, by name. */
    this.beside = new Map();
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
    const files = [...this.file.files];
    for (const file of files.filter((file) => !isWhole(file))) this.beside.set(file.name, file);
    for (const file of files.filter(isWhole)) {
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
    const files = new Files();
    let problem;
    try {
      const missing = await this.#read(file.name, bytes, files);
      if (missing.length > 0) {
        about.textContent = `${file.name} has weights in another file:`;
        for (const name of missing) section.append(this.#ask(name));
        return;
      }
      problem = new Problem(file.name, bytes, this.part.value.trim(), files);
    } catch (error) {
      about.remove();
      throw error;
    } finally {
      files.free();
    }
    about.textContent = this.#about(problem);
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

  /** Reads the files beside a model, and returns the names of those that were not chosen. */
  async #read(name, bytes, files) {
    const missing = [];
    for (const other of files.missing(name, bytes)) {
      const file = this.beside.get(other);
      if (file === undefined) missing.push(other);
      else files.add(other, new Uint8Array(await file.arrayBuffer()));
    }
    return missing;
  }

  /** A field for a file beside a model. */
  #ask(name) {
    const input = element("input", { type: "file" });
    input.addEventListener("change", () => {
      if (input.files.length === 0) return;
      this.beside.set(name, input.files[0]);
      this.run();
    });
    return element("label", {}, name, input);
  }

  #about(problem) {
    const shape = `${problem.layer()}, N = ${problem.batch()}, T = ${problem.steps()}.`;
    const torch = problem.torch();
    return torch === undefined
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
      const { pass, absolute, used, worst } = await problem.run(device, strategy);
      const verdict = element("td", { class: pass ? "good" : "error" }, pass ? "pass" : "FAIL");
      const error = absolute === Infinity ? "∞" : absolute.toExponential(1);
      return [row(name, shown, verdict, number(error), number(share(used))), pass ? null : `${where}: ${worst}`];
    } catch (error) {
      const verdict = element("td", { class: "error" }, "error");
      return [row(name, shown, verdict, number("–"), number("–")), `${where}: ${message(error)}`];
    }
  }
}
