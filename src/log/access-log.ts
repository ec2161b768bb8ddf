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

/** The access log of a router. Lines of one turn of the event loop are written together. */
export class AccessLog implements AccessSink {
  readonly needsResponseFields: boolean;
  readonly #file: LogFile;
  readonly #format: AccessFormatter;
  #lines = "";

  constructor(path: string, format: string, options: AccessLogOptions = {}) {
    this.needsResponseFields = namedAtomsOf(format).responseFields.length > 0;
    const { isJson = false, onTrouble = () => undefined } = options;
    this.#file = new LogFile({ path, standardFd: 1, isBusy: true, onTrouble });
    this.#format = isJson ? compileAccessJson(format) : compileAccessFormat(format);
  }

  write(record: AccessRecord): void {
    if (this.#lines === "") setImmediate(() => this.#flush());
    this.#lines += `${this.#format(record)}\n`;
  }

  reopen(): void {
    this.#flush();
    this.#file.reopen();
  }

  close(): Promise<void> {
    this.#flush();
    return this.#file.close();
  }

  #flush(): void {
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#file.write(lines);
  }
}
