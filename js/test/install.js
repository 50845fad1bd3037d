// The packed package, installed as a user installs it.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

function environment(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; scripts/npm sets it`);
  return value;
}

export const OUT = environment("OUT");
export const ROOT = new URL("../../", import.meta.url);

/** Makes a project of that name that has the packed file as its only dependency, and returns its folder. */
export function project(name) {
  const folder = join(OUT, "projects", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--offline", "--loglevel=error"];
  execFileSync("npm", ["install", ...options, environment("PACKED")], { cwd: folder, stdio: "inherit" });
  return folder;
}

/** Imports a module of the installed package, by the name that a user writes. */
export function imported(folder, name) {
  const file = join(folder, `${name.replaceAll("/", "-")}.mjs`);
  writeFileSync(file, `export * from "${name}";\n`);
  return import(pathToFileURL(file));
}
