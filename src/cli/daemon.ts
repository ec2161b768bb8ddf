/**
 * `daemon`: Node cannot fork, so the command starts itself again, detached, and waits until that process serves
 * or says why it does not. Gunicorn's command is back before it knows.
 */
import { fork, type ChildProcess } from "node:child_process";
import { isatty } from "node:tty";
import type { Settings } from "../config/settings/all.ts";
import { describeError, exitStatusOf } from "../errors.ts";

/** Tells a process that it is the daemon. */
const MARK = "TUNICORN_DAEMON";

/** Gunicorn's: files of the daemon are not for others to write. */
const DAEMON_UMASK = 0o022;

const PASSED_ON: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"];

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
export async function launchDaemon(settings: Settings, environment: NodeJS.ProcessEnv): Promise<never> {
  if (environment["NOTIFY_SOCKET"] !== undefined) {
    process.stderr.write("tunicorn: systemd waits for a process that does not leave: take daemon away\n");
  }
  const [program = "", ...args] = process.argv.slice(1);
  const output = (fd: 1 | 2): "ignore" | number =>
    // A terminal goes with its user.
    settings.enable_stdio_inheritance && !isatty(fd) ? fd : "ignore";
  const daemon = fork(program, args, {
    detached: true,
    env: { ...environment, [MARK]: "1" },
    stdio: ["ignore", output(1), output(2), "ipc"],
  });
  for (const signal of PASSED_ON) {
    process.removeAllListeners(signal);
    process.on(signal, () => daemon.kill(signal));
  }
  const report = await nextReport(daemon);
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
      const how = signal === null ? `with status ${status}` : `by ${signal}`;
      const text = `The daemon ended ${how} before it served`;
      resolve({ type: "failed", text, exitStatus: status === null || status === 0 ? 1 : status });
    });
  });
}
