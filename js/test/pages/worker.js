// The same in a worker.

import { overlap, runCases } from "./run.js";

self.onmessage = async ({ data: { names, devices } }) => {
  try {
    const gpu = devices.some(({ device }) => device === "gpu");
    self.postMessage({ found: await runCases(names, devices), overlapped: await overlap(gpu ? "gpu" : "cpu") });
  } catch (error) {
    self.postMessage({ error: `${error.name}: ${error.message}` });
  }
};
