import type { SonicBoom } from "sonic-boom";
import { compileAccessFormat, type AccessFormatter, type AccessRecord } from "./access-format.ts";
import { openLogFile } from "./log-file.ts";

/** The access log of a router. Lines of one turn of the event loop are written together. */
export class AccessLog {
  readonly path: string;
  readonly #file: SonicBoom;
  readonly #format: AccessFormatter;
  #lines = "";

  constructor(path: string, format: string) {
    this.path = path;
    this.#file = openLogFile(path, 1, true);
    this.#format = compileAccessFormat(format);
  }

  write(record: AccessRecord): void {
    if (this.#lines === "") setImmediate(() => this.#flush());
    this.#lines += `${this.#format(record)}\n`;
  }

  reopen(): void {
    this.#flush();
    if (this.path !== "-") this.#file.reopen();
  }

  /** Writes what is left, before the process ends. */
  close(): void {
    this.#flush();
    try {
      this.#file.flushSync();
    } catch {
      // The target is gone or full; the lines are lost, the server is not.
    }
  }

  #flush(): void {
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#file.write(lines);
  }
}
