import {
  compileAccessFormat,
  namedAtomsOf,
  type AccessFormatter,
  type AccessRecord,
} from "./access-format.ts";
import { compileAccessJson } from "./access-json.ts";
import type { AccessSink } from "./access-sink.ts";
import { GatheredLines } from "./gathered-lines.ts";
import { LogFile } from "./log-file.ts";

export interface AccessLogOptions {
  /** Lines are JSON objects (`access_log_json`). */
  readonly isJson?: boolean;
  /** What the operator should hear about the target. */
  readonly onTrouble?: (message: string) => void;
}

/** How long a line waits for others: each write costs as much as making some ten lines. */
const GATHER_MS = 10;

/** Room for lines that wait; more are written at once. */
const GATHER_LIMIT_BYTES = 64 * 1024;

/** The access log of a router. Lines that come close together are written together. */
export class AccessLog implements AccessSink {
  readonly needsResponseFields: boolean;
  readonly #file: LogFile;
  readonly #format: AccessFormatter;
  readonly #lines = new GatheredLines(GATHER_LIMIT_BYTES);
  #timer: NodeJS.Timeout | null = null;

  constructor(path: string, format: string, options: AccessLogOptions = {}) {
    this.needsResponseFields = namedAtomsOf(format).responseFields.length > 0;
    const { isJson = false, onTrouble = () => undefined } = options;
    this.#file = new LogFile({ path, standardFd: 1, isBusy: true, onTrouble });
    this.#format = isJson ? compileAccessJson(format) : compileAccessFormat(format);
  }

  write(record: AccessRecord): void {
    const line = `${this.#format(record)}\n`;
    if (!this.#lines.add(line)) {
      this.#flush();
      if (!this.#lines.add(line)) this.#file.write(line);
    }
    this.#timer ??= setTimeout(this.#flush, GATHER_MS);
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
    if (!this.#lines.isEmpty) this.#file.write(this.#lines.take());
  };
}
