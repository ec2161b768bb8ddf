/** Makes JavaScript of all TypeScript that tests read, a file in build/transpiled for each, for scripts/transpiled.js. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { transform } from "esbuild";
import { root } from "./steps.js";

const output = join(root, "build", "transpiled");

rmSync(output, { recursive: true, force: true });
const paths = ["src", "test", "scripts", "bench"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => String(name).endsWith(".ts"))
    .map((name) => join(folder, String(name))),
);
await Promise.all(paths.map(transpile));

async function transpile(path) {
  const source = join(root, path);
  const { code } = await transform(readFileSync(source, "utf8"), {
    loader: "ts",
    target: "node20.19",
    sourcefile: pathToFileURL(source).href,
    sourcemap: "inline",
    sourcesContent: false,
  });
  const target = join(output, `${path}.js`);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}
