/**
 * `npm run wheel`: makes build/tunicorn-VERSION-py3-none-any.whl, which pip installs where there is Python and no Node.
 * The JavaScript side lies in it as tunicorn/_javascript; pyproject.toml says the rest. `--no-build` takes dist/ as it is.
 */
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, installNodeModules, installPythonPackages, root, runOrFail } from "./steps.js";

const output = join(root, "build");
const staging = join(output, "javascript");

if (!process.argv.includes("--no-build")) {
  installNodeModules();
  build();
}
installPythonPackages(join("build", "venv"), "requirements-build.txt");
stageJavaScript();
for (const name of readdirSync(output)) if (name.endsWith(".whl")) rmSync(join(output, name));
runOrFail(
  join(output, "venv", "bin", "python"),
  ["-m", "hatchling", "build", "-t", "wheel", "-d", output],
  "Building the wheel",
);

/** What the wheel's Node runs: the two programs, which have in them what they import. */
function stageJavaScript() {
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(join(staging, "dist"), { recursive: true });
  copyFileSync(join(root, "package.json"), join(staging, "package.json"));
  for (const name of ["bin", "dist/bundle"]) {
    cpSync(join(root, name), join(staging, name), {
      recursive: true,
      // Maps, and what V8 has compiled here.
      filter: (path) => !path.includes(".cjs."),
    });
  }
  // Where a server keeps what V8 has compiled: `pip uninstall` removes the files that the wheel had, whatever is in them.
  for (const name of ["command", "router"]) {
    writeFileSync(join(staging, "dist", "bundle", `${name}-program.cjs.compiled`), "");
  }
}
