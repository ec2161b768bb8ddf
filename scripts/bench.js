// Installs what the benchmark needs, builds, and runs it: `npm run bench -- --help`.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const PEERS = ["gunicorn", "flask"];

const root = join(import.meta.dirname, "..");
const venv = join(root, ".venv-bench");
const python = join(venv, "bin/python");
const own = new Set(["--no-build", "--update-peers"]);
const args = process.argv.slice(2).filter((argument) => !own.has(argument));
const isAsked = (flag) => process.argv.includes(flag);

if (process.platform !== "linux") fail("The benchmark reads /proc: it runs on Linux only");
if (!existsSync(join(root, "node_modules/tsx"))) run("npm", ["ci", "--no-audit", "--no-fund"]);
if (!isAsked("--help")) {
  installPeers();
  if (!isAsked("--no-build")) run("npm", ["run", "--silent", "build"]);
}

const bench = spawn(process.execPath, ["--import", "tsx", "bench/http/run.ts", ...args], {
  cwd: root,
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => bench.kill(signal));
// npm passes a signal to the shell between it and this program, which dies of it alone.
const parentPid = process.ppid;
setInterval(() => process.ppid === parentPid || bench.kill("SIGTERM"), 500).unref();
bench.on("exit", (status) => (process.exitCode = status ?? 1));

function installPeers() {
  if (!existsSync(python)) run("python3", ["-m", "venv", venv]);
  const names = PEERS.join(" ");
  const probe = `from importlib.metadata import version; [version(name) for name in "${names}".split()]`;
  const isInstalled = spawnSync(python, ["-c", probe], { stdio: "ignore" }).status === 0;
  if (isInstalled && !isAsked("--update-peers")) return;
  console.error(`Installing ${names} in .venv-bench`);
  run(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", ...PEERS]);
}

function run(command, commandArgs) {
  const result = spawnSync(command, commandArgs, { cwd: root, stdio: "inherit" });
  if (result.status === 0) return;
  const reason = result.error?.message ?? `exit status ${result.status}`;
  fail(`Cannot run "${[command, ...commandArgs].join(" ")}": ${reason}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
