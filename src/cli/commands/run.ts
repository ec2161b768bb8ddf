import { Arbiter } from "../../arbiter/arbiter.ts";
import { DaemonWanted } from "../../arbiter/daemon-wanted.ts";
import { takeInheritance } from "../../arbiter/inherited-sockets.ts";
import { handleSignals } from "../../arbiter/signals.ts";
import { startCommandOf } from "../../arbiter/start-command.ts";
import type { Invocation } from "../../config/invocation.ts";
import { DaemonReport, launchDaemon } from "../daemon.ts";

/** Serves until a signal ends it. Resolves when everything is stopped; rejects when it cannot start. */
export async function run(invocation: Invocation, interpreter: string): Promise<void> {
  const inheritance = takeInheritance(process.env, process.pid);
  const report = DaemonReport.take(process.env);
  // An arbiter that takes the place of another is what that one was.
  const mayLaunch = report === null && inheritance.predecessor === null;
  const command = startCommandOf(process.argv, invocation.workingFolder, process.env);
  const adoptedMold = (await report?.takeMold()) ?? null;
  const arbiter = new Arbiter({ invocation, interpreter, adoptedMold, inheritance, mayLaunch, command });
  handleSignals(arbiter);
  try {
    // A start that is interrupted by a signal never ends; the stop does.
    await Promise.race([arbiter.start(), arbiter.stopped]);
    if (arbiter.isServing) report?.started();
  } catch (error) {
    if (error instanceof DaemonWanted) await launchDaemon(error, process.env);
    await report?.failed(error);
    throw error;
  }
  await arbiter.stopped;
}
