import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { ExitGuard } from "../http/measure/exit-guard.ts";
import type { CrowdMessage, CrowdOptions } from "./crowd-process.ts";

type MessageOf<Type extends CrowdMessage["type"]> = Extract<CrowdMessage, { type: Type }>;

const UNDER_WAY_DEADLINE_MS = 60_000;
const LEAVE_DEADLINE_MS = 10_000;

/** The crowd of slow clients, seen from the process that measures. */
export class Crowd {
  readonly #child: ChildProcess;
  readonly #release: () => void;

  constructor(options: CrowdOptions, guard: ExitGuard) {
    const program = join(import.meta.dirname, "crowd-process.ts");
    this.#child = fork(program, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
    this.#release = guard.add(() => void this.#child.kill("SIGKILL"));
  }

  /** Resolves when all are connected and the answers of all readers have begun. */
  underWay(): Promise<MessageOf<"under-way">> {
    return this.#message("under-way", UNDER_WAY_DEADLINE_MS);
  }

  async leave(): Promise<MessageOf<"left">> {
    const left = this.#message("left", LEAVE_DEADLINE_MS);
    this.#child.send("leave");
    const message = await left;
    this.#release();
    return message;
  }

  #message<Type extends CrowdMessage["type"]>(type: Type, deadlineMs: number): Promise<MessageOf<Type>> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`The crowd did not say "${type}" within ${deadlineMs} ms`));
      const timer = setTimeout(fail, deadlineMs);
      this.#child.once("exit", fail);
      this.#child.on("message", (message: CrowdMessage) => {
        if (message.type !== type) return;
        clearTimeout(timer);
        this.#child.off("exit", fail);
        resolve(message as MessageOf<Type>);
      });
    });
  }
}
