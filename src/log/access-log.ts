import type { SonicBoom } from "sonic-boom";
import { compileAccessFormat, type AccessFormatter, type AccessRecord } from "./access-format.ts";
import { closeLogFile, openLogFile } from "./log-file.ts";

/** The access log of a router. Lines of one turn of the event loop are written together. */
export class AccessLog {
  readonly path: string;
  readonly #file: SonicBoom;
  readonly #format: AccessFormatter;
  #lines = "";
  #closed: Promise<void> | null = null;

  constructor(path: string, format: string) {
    this.path = path;
    this.#file = openLogFile(path, 1);
    this.#format = compileAccessFormat(format);
  }

  write(record: AccessRecord): void {
    if (this.#closed !== null) return;
    if (this.#lines === "") setImmediate(() => this.#flush());
    this.#lines += `${this.#format(record)}\n`;
  }

  reopen(): void {
    this.#flush();
    if (this.path !== "-") this.#file.reopen();
  }

  /** Writes what is left, before the process ends or another file takes over. */
  close(): Promise<void> {
    this.#flush();
    this.#closed ??= closeLogFile(this.#file);
    return this.#closed;
  }

  #flush(): void {
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#file.write(lines);
  }
}
