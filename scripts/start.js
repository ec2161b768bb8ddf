/** `npm start`: installs what is missing, builds, and serves; without arguments, the example application. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, findPython, installNodeModules, root } from "./steps.js";

findPython();
installNodeModules();
build();

const given = process.argv.slice(2);
const args =
  given.length > 0
    ? given
    : ["--chdir", join(root, "examples", "hello"), "--access-logfile", "-", "hello:app"];
const server = spawn(process.execPath, [join(root, "bin", "tunicorn.js"), ...args], {
  cwd: process.env["INIT_CWD"] ?? root,
  stdio: "inherit",
});

// The terminal signals the whole group; a signal to this script alone is passed on.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => server.kill(signal));
server.on("exit", (status, signal) => {
  process.exitCode = status ?? (signal === null ? 1 : 128);
});
