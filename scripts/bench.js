// Installs what the benchmark needs, builds, and runs it: `npm run bench -- --help`.
import { spawn } from "node:child_process";
import { installPeers } from "./bench-peers.js";
import { build, fail, installNodeModules, root } from "./steps.js";

const own = new Set(["--no-build", "--update-peers"]);
const args = process.argv.slice(2).filter((argument) => !own.has(argument));
const isAsked = (flag) => process.argv.includes(flag);

if (process.platform !== "linux") fail("The benchmark reads /proc: it runs on Linux only");
installNodeModules();
if (!isAsked("--help") && !isAsked("--render")) {
  installPeers(isAsked("--update-peers"));
  if (!isAsked("--no-build")) build();
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
