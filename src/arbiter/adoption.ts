import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pythonPackage } from "../system/python-package.ts";

/** For the program's start, and its waits for systemd (ANSWER_SECONDS there). Without it a stop is less graceful. */
const ADOPTION_MS = 20_000;

const PROGRAM = join(pythonPackage, "main_process.py");

/**
 * Lets systemd see that this process, whose parent has left, is its child by now (python/tunicorn/main_process.py).
 * `deliver` sends a message as the main process; until this resolves nothing else may be sent.
 */
export async function showAdoption(
  interpreter: string,
  address: string,
  deliver: (message: string) => Promise<void>,
): Promise<void> {
  const helper = spawn(interpreter, ["-I", "-S", PROGRAM, address, String(process.pid)], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const timer = setTimeout(() => helper.kill("SIGKILL"), ADOPTION_MS);
  const ended = new Promise<void>((resolve) => {
    helper.once("close", () => resolve());
    helper.once("error", () => resolve());
  });
  void ended.then(() => clearTimeout(timer));
  helper.stdin.on("error", () => undefined);
  const isReady = await Promise.race([once(helper.stdout, "data").then(() => true), ended.then(() => false)]);
  if (isReady) await deliver(`MAINPID=${helper.pid}`);
  helper.stdin.end();
  await ended;
}
