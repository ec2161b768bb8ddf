/** What the scripts share: finding what is missing, and installing it. Plain JavaScript: it runs before any build. */
import "../bin/require-node.js";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const venvPython = join(root, ".venv", "bin", "python");

/** Ends the script with one clear line. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Runs a program in the root folder with our standard streams. Returns its exit status. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error !== undefined) fail(`Cannot run ${command}: ${error.message}`);
  return status ?? 1;
}

/** Runs a program as run() does; when it fails, the script ends with one line that says what did. */
export function runOrFail(command, args, what) {
  if (run(command, args) !== 0) fail(`${what} failed: ${command} ${args.join(" ")}`);
}

/** Python 3.10 or newer with venv and pip, or one line that says what to install. */
export function findPython() {
  const probe = "import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 10) else 1)";
  const candidates = [
    "python3",
    "python",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
  ];
  const found = candidates.find((name) => spawnSync(name, ["-c", probe], { stdio: "ignore" }).status === 0);
  if (found === undefined) {
    fail(
      "Python 3.10 or newer with venv and pip is needed. Install it (Debian: apt-get install python3-venv).",
    );
  }
  return found;
}

export function installNodeModules() {
  if (existsSync(join(root, "node_modules", ".package-lock.json"))) return;
  runOrFail("npm", ["ci", "--ignore-scripts"], "Installing the Node packages");
}

export function build() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  runOrFail(
    process.execPath,
    [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"],
    "The build",
  );
  runOrFail(process.execPath, [join(root, "scripts", "bundle.js")], "Bundling the programs");
}

/** A virtual environment with exactly what the requirements file lists. */
export function installPythonPackages(folder, requirements) {
  const python = join(root, folder, "bin", "python");
  const list = readFileSync(join(root, requirements));
  const stamp = join(root, folder, ".installed");
  const wanted = createHash("sha256").update(list).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // What comes last: an environment whose making was interrupted has an interpreter, but no pip yet.
  const pip = join(root, folder, "bin", "pip");
  if (!existsSync(pip)) runOrFail(findPython(), ["-m", "venv", folder], "Making the virtual environment");
  runOrFail(
    python,
    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
    "Installing the Python packages",
  );
  writeFileSync(stamp, wanted);
}
