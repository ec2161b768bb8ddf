/**
 * `daemon`: Node cannot fork, so the command starts itself again, detached, and waits until that process serves
 * or says why it does not. Gunicorn's command is back before it knows. The mold, in which the configuration file has
 * run by then, is handed over: the file is run once, and what it has made is still there.
 */
import { fork, type ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { isatty } from "node:tty";
import type { DaemonWanted } from "../arbiter/daemon-wanted.ts";
import type { AdoptedMold } from "../arbiter/mold-process.ts";
import { howEnded } from "../arbiter/wording.ts";
import { describeError, exitStatusOf } from "../errors.ts";

/** Tells a process that it is the daemon. */
const MARK = "TUNICORN_DAEMON";

/** Gunicorn's: files of the daemon are not for others to write. */
const DAEMON_UMASK = 0o022;

const PASSED_ON: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"];

/** What the command tells a daemon, with the socket of the mold's control channel. */
type Handover = Omit<AdoptedMold, "control">;

/** What a daemon tells the command that launched it. */
type Report =
  | { readonly type: "started" }
  | { readonly type: "failed"; readonly text: string; readonly exitStatus: number };

/** The daemon's side: tells the command once how the start went. */
export class DaemonReport {
  /** Null in a process that is no daemon, or is one that replaces a daemon. */
  static take(environment: NodeJS.ProcessEnv): DaemonReport | null {
    const isDaemon = environment[MARK] !== undefined && process.connected;
    // Whatever the application starts is no daemon of ours.
    Reflect.deleteProperty(environment, MARK);
    return isDaemon ? new DaemonReport() : null;
  }

  private constructor() {
    process.umask(DAEMON_UMASK);
  }

  /** The mold of the command. Rejects when the command has gone without handing it over. */
  takeMold(): Promise<AdoptedMold> {
    return new Promise((resolve, reject) => {
      const onGone = (): void => reject(new Error("The command has gone before the daemon began"));
      process.once("disconnect", onGone);
      process.once("message", (handover: Handover, control: unknown) => {
        process.off("disconnect", onGone);
        if (control instanceof Socket) resolve({ ...handover, control });
        else reject(new Error("The command has no mold to hand over"));
      });
    });
  }

  started(): void {
    void this.#send({ type: "started" });
  }

  async failed(error: unknown): Promise<void> {
    await this.#send({ type: "failed", text: describeError(error), exitStatus: exitStatusOf(error) });
  }

  #send(report: Report): Promise<void> {
    return new Promise((resolve) => {
      if (!process.connected || process.send === undefined) {
        resolve();
        return;
      }
      process.send(report, undefined, undefined, () => {
        if (process.connected) process.disconnect();
        resolve();
      });
    });
  }
}

/** The command's side: launches the daemon and ends this process, with 0 when the daemon serves. */
export async function launchDaemon(wanted: DaemonWanted, environment: NodeJS.ProcessEnv): Promise<never> {
  if (environment["NOTIFY_SOCKET"] !== undefined) {
    process.stderr.write("tunicorn: systemd waits for a process that does not leave: take daemon away\n");
  }
  let daemon: ChildProcess | null = null;
  for (const signal of PASSED_ON) {
    process.removeAllListeners(signal);
    process.on(signal, () => {
      if (daemon !== null) daemon.kill(signal);
      else {
        wanted.mold.kill();
        process.exit(1);
      }
    });
  }
  const [program = "", ...args] = process.argv.slice(1);
  // A terminal goes with its user.
  const isKept = (fd: 1 | 2): boolean => wanted.settings.enable_stdio_inheritance && !isatty(fd);
  const silent = ([1, 2] as const).filter((fd) => !isKept(fd));
  const { control, ...handover } = await wanted.mold.detach(silent);
  const output = (fd: 1 | 2): "ignore" | number => (silent.includes(fd) ? "ignore" : fd);
  daemon = fork(program, args, {
    detached: true,
    env: { ...environment, [MARK]: "1" },
    stdio: ["ignore", output(1), output(2), "ipc"],
  });
  const reported = nextReport(daemon);
  // One that has just died is told by its end.
  daemon.send(handover satisfies Handover, control, () => undefined);
  const report = await reported;
  if (report.type === "started") process.exit(0);
  if (report.text !== "") process.stderr.write(`tunicorn: ${report.text}\n`);
  process.exit(report.exitStatus);
}

function nextReport(daemon: ChildProcess): Promise<Report> {
  return new Promise((resolve) => {
    daemon.once("message", (report: Report) => resolve(report));
    daemon.once("error", (error) =>
      resolve({ type: "failed", text: `Cannot start the daemon: ${error.message}`, exitStatus: 1 }),
    );
    daemon.once("exit", (status, signal) => {
      const text = `The daemon ended ${howEnded(status, signal)} before it served`;
      resolve({ type: "failed", text, exitStatus: status === null || status === 0 ? 1 : status });
    });
  });
}
