/** Programs that run beside one another, and are shown one after another. */
import { spawn } from "node:child_process";
import { root } from "./steps.js";

/** Whoever has not ended by then hangs, and is ended. The runs of the tests have shorter limits for a file or a test. */
const DEADLINE_MINUTES = 60;

/** How long what a program has left running may hold its output open. */
const LEFT_OUTPUT_MS = 10_000;

/**
 * Starts a program in the root folder. What it writes is kept until `show()` is called, and comes as it is written from
 * then on. Both promises are of its exit status and all that it wrote.
 */
export function start(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  setTimeout(() => child.kill(), DEADLINE_MINUTES * 60_000).unref();
  let output = "";
  let isShown = false;
  const take = (text) => {
    output += text;
    if (isShown) process.stdout.write(text);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const letGo = () => {
    child.stdout.destroy();
    child.stderr.destroy();
  };
  child.once("exit", () => setTimeout(letGo, LEFT_OUTPUT_MS).unref());
  const ended = new Promise((resolve) => {
    child.once("error", (failure) => {
      take(`Cannot run ${command}: ${failure.message}\n`);
      resolve({ status: 1, output });
    });
    child.once("close", (status, signal) => {
      if (signal !== null)
        take(`${signal} ended ${command}, which has at most ${DEADLINE_MINUTES} minutes\n`);
      resolve({ status: status ?? 1, output });
    });
  });
  const show = () => {
    isShown = true;
    process.stdout.write(output);
    return ended;
  };
  return { ended, show };
}
