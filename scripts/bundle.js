/**
 * The two programs that a server starts, each in one file: Node reads one file sooner than 150. A small one starts each
 * of them (src/system/compiled-code.ts). What tsc makes, one file for one, is for `import "tunicorn"`; the types are its
 * too. docs/architecture.md says what this saves.
 */
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import { fail, root } from "./steps.js";

const PROGRAMS = {
  command: "src/cli/program.ts",
  router: "src/router/program.ts",
  "command-program": "src/cli/main.ts",
  "router-program": "src/router/main.ts",
};

const PLACE_OF = `const placeOf = (path) =>
  require("node:url").pathToFileURL(require("node:path").join(__dirname, "..", path)).href;`;

// CommonJS: Node is up sooner where no ES module is imported.
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: PROGRAMS,
  outdir: "dist/bundle",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "cjs",
  // import() of Node's own modules becomes require(): nothing else needs the loader of ES modules.
  supported: { "dynamic-import": false },
  sourcemap: true,
  banner: { js: PLACE_OF },
  plugins: [{ name: "own places", setup: keepOwnPlaces }],
  metafile: true,
  logLevel: "warning",
});
for (const [path, { inputs }] of Object.entries(metafile.outputs)) {
  if (!path.endsWith(".cjs")) continue;
  appendFileSync(join(root, path), licencesOf(Object.keys(inputs)));
  if (path.endsWith("-program.cjs")) appendFileSync(join(root, path), buildLine(path));
}

/** A module that looks for files beside itself finds them as if it stood where tsc puts it. The version is known. */
function keepOwnPlaces({ onLoad }) {
  onLoad({ filter: /\/src\/version\.ts$/ }, () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    return { contents: `export const version = ${JSON.stringify(version)};` };
  });
  onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
    const place = relative(join(root, "src"), path).replace(/\.ts$/, ".js");
    const contents = readFileSync(path, "utf8").replaceAll("import.meta.url", `placeOf("${place}")`);
    return { loader: "ts", resolveDir: dirname(path), contents };
  });
}

/** Packages that have become part of a program want their licences told. */
function licencesOf(inputs) {
  const packages = inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  const texts = [...new Set(packages.filter(Boolean))].map((name) => {
    const folder = join(root, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${version}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}`;
  });
  return texts.length === 0 ? "" : `\n/*\nThis file contains parts of:\n\n${texts.join("\n\n")}\n*/\n`;
}

/** The last line of a program, which tells compiled code of this build from that of another. */
function buildLine(path) {
  const program = readFileSync(join(root, path));
  if (program.some((octet) => octet > 127))
    fail(`${path} is not ASCII, as src/system/compiled-code.ts reads it`);
  return `// build ${createHash("sha256").update(program).digest("hex")}\n`;
}
