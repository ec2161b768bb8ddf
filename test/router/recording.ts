import type { FilePart, RequestBody } from "../../src/channel/messages.ts";
import type { RequestFailure, RequestWorker, WorkerRequest } from "../../src/router/dispatcher.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";

/** What happened, in order, as lines of text; a test awaits the line that it needs. */
export class Recording {
  readonly lines: string[] = [];
  #wake = new Set<() => void>();

  add(line: string): void {
    this.lines.push(line);
    for (const wake of this.#wake) {
      wake();
    }
    this.#wake.clear();
  }

  /** Resolves when the line has come; `count`: so many times. */
  async waitFor(line: string, count = 1): Promise<void> {
    const wait = async (): Promise<void> => {
      while (this.lines.filter((each) => each === line).length < count) {
        await new Promise<void>((resolve) => {
          this.#wake.add(resolve);
        });
      }
    };
    await withDeadline(wait(), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `"${line}" (${count} times) in:\n${this.lines.join("\n")}`,
    });
  }
}

export interface RecordedRequestOptions {
  readonly environ?: string;
  readonly body?: RequestBody;
  readonly submittedAt?: number;
  /** Writes down, too, from when to when a worker may have the request. */
  readonly notesCustody?: boolean;
  /** The answer to a file; refused without it. */
  readonly takesFile?: () => Promise<boolean>;
  /** Called with each piece of the response that is not its last, before it is noted. */
  readonly onPiece?: (worker: RequestWorker) => void;
}

/** A request that writes down what happens to it. */
export class RecordedRequest implements WorkerRequest {
  readonly method = "GET";
  readonly keepsBytes = false;
  readonly target: string;
  readonly environ: string;
  body: RequestBody;
  readonly submittedAt: number;
  readonly events = new Recording();
  readonly #options: RecordedRequestOptions;
  #worker: RequestWorker | null = null;

  constructor(target: string, options: RecordedRequestOptions = {}) {
    this.target = target;
    this.environ = options.environ ?? `REQUEST_METHOD\0GET\0RAW_URI\0${target}`;
    this.body = options.body ?? { type: "memory", pieces: [], bytes: 0 };
    this.submittedAt = options.submittedAt ?? performance.now();
    this.#options = options;
  }

  /** The worker that has it. */
  get worker(): RequestWorker {
    if (this.#worker === null) {
      throw new Error(`No worker has ${this.target}`);
    }
    return this.#worker;
  }

  get lines(): readonly string[] {
    return this.events.lines;
  }

  takeBodyOut(): void {
    if (this.body.type !== "placed") return;
    this.body = { type: "memory", pieces: [], bytes: 0 };
    this.events.add("body taken out");
  }

  onIssued(): void {
    if (this.#options.notesCustody === true) this.events.add("issued");
  }

  onWithdrawn(): void {
    if (this.#options.notesCustody === true) this.events.add("withdrawn");
  }

  onStart(worker: RequestWorker): void {
    this.#worker = worker;
    this.events.add(`started by ${worker.pid}`);
  }

  onResponse(message: Parameters<WorkerRequest["onResponse"]>[0]): void {
    if (!message.after.isEnd) {
      this.#options.onPiece?.(this.worker);
    }
    this.events.add(`response ${message.status} ${message.body.toString()}${endMark(message.after.isEnd)}`);
  }

  onBody(bytes: Buffer, isEnd: boolean): void {
    if (!isEnd) {
      this.#options.onPiece?.(this.worker);
    }
    this.events.add(`body ${bytes.toString()}${endMark(isEnd)}`);
  }

  onInterim(status: number, fieldLines: Buffer): void {
    this.events.add(`interim ${status} ${fieldLines.toString().trim()}`);
  }

  onEnviron(entries: string): void {
    this.events.add(`environ ${entries.replaceAll("\0", " ")}`);
  }

  async onFile({ path, start, bytes }: FilePart): Promise<boolean> {
    this.events.add(`file ${path} from ${start}, ${bytes} bytes`);
    return this.#options.takesFile?.() ?? false;
  }

  onReleased(): void {
    if (this.#options.notesCustody === true) this.events.add("released");
  }

  onFailure(failure: RequestFailure): void {
    this.events.add(`failure ${failure}`);
  }
}

function endMark(isEnd: boolean): string {
  return isEnd ? " (end)" : "";
}
