/** Programs that run beside one another, and are shown one after another. */
import { spawn } from "node:child_process";
import { root } from "./steps.js";

/** Whoever has not ended by then hangs, and is ended. */
const DEADLINE_MINUTES = 20;

/**
 * Starts a program in the root folder. What it writes is kept until `show()` is called, and comes as it is written from
 * then on. Both promises are of its exit status and all that it wrote.
 */
export function start(command, args) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MINUTES * 60_000,
  });
  let output = "";
  let isShown = false;
  const take = (text) => {
    output += text;
    if (isShown) process.stdout.write(text);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
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
