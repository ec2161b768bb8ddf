import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { processesOf } from "../http/measure/process-table.ts";

/** What a process holds open, by kind of descriptor. */
export interface OpenDescriptors {
  readonly sockets: number;
  readonly files: number;
  readonly others: number;
}

/** The router of a server, seen from outside. */
export class RouterProcess {
  readonly #pid: number;

  constructor(serverPid: number) {
    const found = processesOf(serverPid).find(({ pid }) => commandOf(pid).includes("tunicorn: router"));
    if (found === undefined) throw new Error(`No router below process ${serverPid}`);
    this.#pid = found.pid;
  }

  get open(): OpenDescriptors {
    const targets = readdirSync(`/proc/${this.#pid}/fd`).flatMap((fd) => targetOf(this.#pid, fd));
    const sockets = targets.filter((target) => target.startsWith("socket:")).length;
    const files = targets.filter((target) => target.startsWith("/") && !target.startsWith("/dev/")).length;
    return { sockets, files, others: targets.length - sockets - files };
  }

  get memoryMebibytes(): number {
    return this.#memory("VmRSS");
  }

  /** The most that it ever had. */
  get peakMemoryMebibytes(): number {
    return this.#memory("VmHWM");
  }

  #memory(name: string): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? NaN) / 1024;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended while we looked.
  }
}

function targetOf(pid: number, descriptor: string): readonly string[] {
  try {
    return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
  } catch {
    return []; // It was closed while we looked.
  }
}
