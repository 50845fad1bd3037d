// The same through a bundler.

import processor from "./processor.js?worker&url";
import * as run from "./run.js";

window.run = run;
window.processor = processor;
window.work = (data) =>
  new Promise((answer) => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => answer(data);
    worker.postMessage(data);
  });
