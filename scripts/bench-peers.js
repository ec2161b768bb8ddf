/** The other servers and the frameworks of the benchmark, the newest that PyPI has, in a virtual environment of its own. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPython, run } from "./steps.js";

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
export function installPeers(folder, isUpdate) {
  const python = join(folder, "bin", "python");
  const recordFile = join(folder, "peers.json");
  if (!existsSync(python) && run(findPython(), ["-m", "venv", folder]) !== 0) process.exit(1);
  const isKnown = !isUpdate && existsSync(recordFile);
  const record = isKnown ? JSON.parse(readFileSync(recordFile, "utf8")) : {};
  for (const requirement of REQUIREMENTS) {
    if (requirement in record) continue;
    process.stderr.write(`Installing ${requirement} in ${folder}\n`);
    record[requirement] = install(python, requirement, join(folder, "install.log"));
    writeFileSync(recordFile, `${JSON.stringify(record, undefined, 2)}\n`);
  }
  for (const [requirement, complaint] of Object.entries(record)) {
    if (complaint === "") continue;
    process.stderr.write(`Cannot install ${requirement}: ${complaint} (--update-peers tries again)\n`);
  }
}

/** An empty text, or what went wrong in one line. */
function install(python, requirement, logFile) {
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
