import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pythonPackage } from "../system/python-package.ts";

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
  const ended = new Promise<void>((resolve) => {
    helper.once("close", () => resolve());
    helper.once("error", () => resolve());
  });
  helper.stdin.on("error", () => undefined);
  const isReady = await Promise.race([once(helper.stdout, "data").then(() => true), ended.then(() => false)]);
  if (isReady) await deliver(`MAINPID=${helper.pid}`);
  helper.stdin.end();
  await ended;
}
