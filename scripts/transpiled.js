/**
 * For `node --import`: TypeScript is read as the JavaScript that scripts/transpile.js has made of it. tsx, which makes it
 * as it goes, takes 0.3 s of CPU for its own start, and each of the 200 test files is a process.
 */
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

const root = new URL("..", import.meta.url).href;

// This very file is what Node's thread for such hooks loads.
if (isMainThread) {
  process.setSourceMapsEnabled(true);
  register(import.meta.url);
}

export function load(url, context, nextLoad) {
  if (!url.startsWith(root) || !url.endsWith(".ts")) return nextLoad(url, context);
  const transpiled = new URL(`build/transpiled/${url.slice(root.length)}.js`, root);
  return { format: "module", source: readFileSync(transpiled), shortCircuit: true };
}
