import { writeSync } from "node:fs";
import { reasonOf } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { connectDatagram, type DatagramSocket } from "../system/descriptor-maker.ts";
import { showAdoption } from "./adoption.ts";

export interface ServiceManagerOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly interpreter: string;
  /** False while another arbiter is the main process of the service: nobody listens to us then. */
  readonly isMain: boolean;
}

/**
 * systemd, or whoever else has set NOTIFY_SOCKET (sd_notify(3)): it is told in which state the server is.
 *
 * Messages are written by this process itself, since systemd believes nobody but the main process of a
 * service (NotifyAccess=main, the default). Without NOTIFY_SOCKET nothing happens.
 */
export class ServiceManager {
  readonly #address: string | null;
  readonly #interpreter: string;
  readonly #watchdogMs: number | null;
  #isMain: boolean;
  #log: ErrorLog | null = null;
  #socket: DatagramSocket | null = null;
  #hasComplained = false;
  /** Messages go out in their order, each after those before. */
  #sent: Promise<void> = Promise.resolve();
  /** The state of the server, for when we become the main process. */
  #state: readonly string[] = [];
  #watchdog: NodeJS.Timeout | null = null;

  constructor({ environment, interpreter, isMain }: ServiceManagerOptions) {
    const address = environment["NOTIFY_SOCKET"] ?? "";
    this.#address = /^[/@]./.test(address) ? address : null;
    this.#interpreter = interpreter;
    this.#isMain = isMain;
    this.#watchdogMs = watchdogMsOf(environment);
  }

  /** Where failures are told. */
  set log(log: ErrorLog) {
    this.#log = log;
  }

  /** All workers are ready, or, after a reload that failed, the old ones still are. */
  ready(status: string): void {
    this.#enter(["READY=1", `STATUS=${status}`]);
  }

  reloading(): void {
    const monotonicUsec = process.hrtime.bigint() / 1000n;
    this.#enter(["RELOADING=1", `MONOTONIC_USEC=${monotonicUsec}`, "STATUS=Reloading"]);
  }

  stopping(): void {
    this.#enter(["STOPPING=1", "STATUS=Stopping"]);
  }

  status(text: string): void {
    this.#send([`STATUS=${oneLine(text)}`]);
  }

  /** Another process is the service from now on. */
  handOver(pid: number): void {
    this.#send([`MAINPID=${pid}`]);
    this.#isMain = false;
  }

  /** We are the service from now on: the process before us has said so. Resolves when systemd treats us so. */
  async takeOver(): Promise<void> {
    this.#isMain = true;
    const address = this.#address;
    if (address === null) return;
    this.#sent = this.#sent.then(() =>
      showAdoption(this.#interpreter, address, (message) => this.#deliver(address, message)),
    );
    if (this.#state.length > 0) this.#send(this.#state);
    await this.#sent;
  }

  /** Says that all is well, twice in the time after which systemd would think otherwise. */
  watch(isHealthy: () => boolean): void {
    if (this.#watchdogMs === null || this.#address === null || this.#watchdog !== null) return;
    this.#watchdog = setInterval(() => {
      if (isHealthy()) this.#send(["WATCHDOG=1"]);
    }, this.#watchdogMs / 2);
    this.#watchdog.unref();
  }

  /** Resolves when everything was sent, or could not be. */
  async flush(): Promise<void> {
    await this.#sent;
  }

  #enter(lines: readonly string[]): void {
    this.#state = lines.map(oneLine);
    this.#send(this.#state);
  }

  #send(lines: readonly string[]): void {
    const address = this.#address;
    if (address === null || !this.#isMain) return;
    this.#sent = this.#sent.then(() => this.#deliver(address, lines.join("\n")));
  }

  async #deliver(address: string, message: string): Promise<void> {
    try {
      if (this.#socket !== null && this.#tryToWrite(this.#socket.fd, message)) return;
      // At first, and when whoever listened has been replaced.
      this.#socket?.close();
      this.#socket = null;
      this.#socket = await connectDatagram(this.#interpreter, address);
      writeSync(this.#socket.fd, message);
    } catch (error) {
      if (this.#hasComplained) return;
      this.#hasComplained = true;
      this.#log?.warning(`Cannot tell the service manager at NOTIFY_SOCKET=${address}: ${reasonOf(error)}`);
    }
  }

  #tryToWrite(fd: number, message: string): boolean {
    try {
      writeSync(fd, message);
      return true;
    } catch {
      return false;
    }
  }
}

/** What WATCHDOG_USEC says, if it is meant for this process (sd_watchdog_enabled(3)). */
function watchdogMsOf(environment: NodeJS.ProcessEnv): number | null {
  const usec = Number(environment["WATCHDOG_USEC"]);
  const pid = environment["WATCHDOG_PID"] ?? "";
  if (!Number.isSafeInteger(usec) || usec <= 0) return null;
  return pid === "" || pid === String(process.pid) ? usec / 1000 : null;
}

/** A line break would begin another variable. */
function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ");
}
