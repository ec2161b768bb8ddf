import {
  compileAccessFormat,
  namedAtomsOf,
  type AccessFormatter,
  type AccessRecord,
} from "./access-format.ts";
import { compileAccessJson } from "./access-json.ts";
import type { AccessSink } from "./access-sink.ts";
import { LogFile } from "./log-file.ts";

export interface AccessLogOptions {
  /** Lines are JSON objects (`access_log_json`). */
  readonly isJson?: boolean;
  /** What the operator should hear about the target. */
  readonly onTrouble?: (message: string) => void;
}

/** How long a line waits for others: each write costs as much as making some ten lines. */
const GATHER_MS = 10;

/** So much is written at once, without waiting. */
const GATHER_LIMIT = 64 * 1024;

/** The access log of a router. Lines that come close together are written together. */
export class AccessLog implements AccessSink {
  readonly needsResponseFields: boolean;
  readonly #file: LogFile;
  readonly #format: AccessFormatter;
  #lines = "";
  #timer: NodeJS.Timeout | null = null;

  constructor(path: string, format: string, options: AccessLogOptions = {}) {
    this.needsResponseFields = namedAtomsOf(format).responseFields.length > 0;
    const { isJson = false, onTrouble = () => undefined } = options;
    this.#file = new LogFile({ path, standardFd: 1, isBusy: true, onTrouble });
    this.#format = isJson ? compileAccessJson(format) : compileAccessFormat(format);
  }

  write(record: AccessRecord): void {
    this.#timer ??= setTimeout(this.#flush, GATHER_MS);
    this.#lines += `${this.#format(record)}\n`;
    if (this.#lines.length > GATHER_LIMIT) this.#flush();
  }

  reopen(): void {
    this.#flush();
    this.#file.reopen();
  }

  close(): Promise<void> {
    this.#flush();
    return this.#file.close();
  }

  readonly #flush = (): void => {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") this.#file.write(lines);
  };
}
