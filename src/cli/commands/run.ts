import { Arbiter } from "../../arbiter/arbiter.ts";
import { takeInheritance } from "../../arbiter/inherited-sockets.ts";
import { handleSignals } from "../../arbiter/signals.ts";
import type { Invocation } from "../../config/invocation.ts";

/** Serves until a signal ends it. Resolves when everything is stopped; rejects when it cannot start. */
export async function run(invocation: Invocation, interpreter: string): Promise<void> {
  const arbiter = new Arbiter({
    invocation,
    interpreter,
    inheritance: takeInheritance(process.env, process.pid),
  });
  const stopped = new Promise<void>((resolve) => handleSignals(arbiter, resolve));
  // A start that is interrupted by a signal never ends; the stop does.
  await Promise.race([arbiter.start(), stopped]);
  await stopped;
}
