// Files of a folder over HTTP, on the loopback address.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const KINDS = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** Serves a folder; `requests` gathers what is asked for. */
export async function serve(folder) {
  const requests = [];
  const server = createServer(async ({ url }, response) => {
    const path = normalize(decodeURIComponent(url.split("?")[0])).replace(/\/$/, "/index.html");
    requests.push(path);
    try {
      const body = await readFile(join(folder, path));
      response.writeHead(200, { "Content-Type": KINDS[extname(path)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/`, requests, stop: () => server.close() };
}
