/**
 * `npm run wheel`: makes build/tunicorn-VERSION-py3-none-any.whl, which pip installs where there is Python and no Node.
 * The JavaScript side lies in it as tunicorn/_javascript; pyproject.toml says the rest. `--no-build` takes dist/ as it is.
 */
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, installNodeModules, installPythonPackages, root, runOrFail } from "./steps.js";

const output = join(root, "build");
const staging = join(output, "javascript");
/** Types and source maps are for who imports the package, which Python does not. */
const DEVELOPMENT_FILE = /\.(d\.[cm]?ts|map)$/;

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

/** What the wheel's Node runs: the program as it is built, and the packages that it imports. */
function stageJavaScript() {
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) {
    copyFileSync(join(root, name), join(staging, name));
  }
  runOrFail(
    "npm",
    ["ci", "--prefix", staging, "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
    "Installing the runtime packages",
  );
  rmSync(join(staging, "package-lock.json"));
  rmSync(join(staging, "node_modules", ".package-lock.json"));
  for (const name of ["bin", "dist"]) {
    cpSync(join(root, name), join(staging, name), {
      recursive: true,
      filter: (path) => !DEVELOPMENT_FILE.test(path),
    });
  }
}
