import { trimBlanks } from "./blanks.ts";
import { ChunkedDecoder } from "./chunked-decoder.ts";
import { fieldNameOf, type FieldName } from "./field-name.ts";
import { FieldScanner } from "./field-scanner.ts";
import { makeHead } from "./head-rules.ts";
import { HttpFault } from "./http-fault.ts";
import { InputBuffer } from "./input-buffer.ts";
import type { HttpLimits } from "./limits.ts";
import type { RequestHead } from "./request-head.ts";
import type { RequestEvent, RequestSource } from "./request-source.ts";
import { strictPolicy, type HttpPolicy } from "./policy.ts";
import { RequestLineScanner } from "./request-line-scanner.ts";

type Phase = "line" | "fields" | "length-body" | "chunked-body" | "trailers" | "end" | "failed";

const END: RequestEvent = { type: "end" };

/** Fields that may not come in trailers: framing, routing, and what was decided from the head already. */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-length",
  "host",
  "content-type",
  "content-encoding",
  "content-range",
  "connection",
  "expect",
  "te",
  "trailer",
  "authorization",
  "cookie",
]);

/**
 * The HTTP/1.1 request parser: bytes in, events out. It knows no socket, no time and no worker.
 *
 * `feed` takes bytes as they come; `next` gives one event at a time, or null when it needs more bytes.
 * A caller that stops calling `next` after `end` leaves pipelined requests waiting inside.
 * The outcome never depends on how the input was cut.
 */
export class RequestParser implements RequestSource {
  readonly #limits: HttpLimits;
  readonly #policy: HttpPolicy;
  readonly #line: RequestLineScanner;
  readonly #fields: FieldScanner;
  #chunked: ChunkedDecoder | null = null;
  #phase: Phase = "line";
  /** The scanners' positions count from the first octet that is not consumed yet. */
  readonly #input = new InputBuffer();
  #bodyLeft = 0;
  #wasHead = false;

  constructor(limits: HttpLimits, policy: HttpPolicy = strictPolicy) {
    this.#limits = limits;
    this.#policy = policy;
    this.#line = new RequestLineScanner(limits);
    this.#fields = new FieldScanner(limits, policy);
  }

  /** Between two requests with no octet of the next one seen: closing here loses nothing. */
  get isIdle(): boolean {
    return this.#phase === "line" && this.#line.isIdle;
  }

  /** A head has begun and is not complete. */
  get isInHead(): boolean {
    return (this.#phase === "line" && !this.#line.isIdle) || this.#phase === "fields";
  }

  /** The request whose head is being read, or was refused, is a HEAD. */
  get isHead(): boolean {
    if (this.#phase === "failed") return this.#wasHead;
    return this.isInHead && this.#line.isHead(this.#input.octets);
  }

  /** Bytes fed but not yet given out. */
  get bufferedBytes(): number {
    return this.#input.length;
  }

  /** What they take in memory. */
  get memoryBytes(): number {
    return this.#input.octets.length;
  }

  /** Adds bytes. They are kept, not copied, while nothing older is left over. */
  feed(bytes: Buffer): void {
    this.#input.append(bytes);
  }

  get bodyLeft(): number {
    return this.#phase === "length-body" && this.#input.length === 0 ? this.#bodyLeft : 0;
  }

  takeRest(): Buffer {
    const rest = this.#input.octets.subarray(0, this.#input.length);
    this.#input.clear();
    return rest;
  }

  /** The next event, or null when more bytes are needed. */
  next(): RequestEvent | null {
    try {
      return this.#next();
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#wasHead = this.isHead;
      this.#phase = "failed";
      this.#input.clear();
      return { type: "fault", fault: error };
    }
  }

  #next(): RequestEvent | null {
    for (;;) {
      switch (this.#phase) {
        case "line":
          if (!this.#line.scan(this.#input.octets, this.#headLength)) return this.#needMoreHead();
          this.#fields.reset(this.#line.end);
          this.#phase = "fields";
          break;
        case "fields":
          if (!this.#fields.scan(this.#input.octets, this.#headLength)) return this.#needMoreHead();
          return { type: "head", head: this.#takeHead() };
        case "length-body":
          return this.#input.length === 0 ? null : this.#takeLengthBody();
        case "chunked-body": {
          const bytes = this.#takeChunkedBody();
          if (bytes !== undefined) return bytes;
          break;
        }
        case "trailers":
          if (!this.#fields.scan(this.#input.octets, this.#headLength)) return this.#needMoreHead();
          this.#checkTrailers();
          this.#input.consume(this.#fields.end);
          this.#phase = "end";
          break;
        case "end":
          this.#line.reset();
          this.#phase = "line";
          return END;
        case "failed":
          return null;
        default:
          this.#phase satisfies never;
      }
    }
  }

  /** A head is looked at up to its limit only, so that the way the input was cut decides nothing. */
  get #headLength(): number {
    return Math.min(this.#input.length, this.#limits.headBytes);
  }

  #needMoreHead(): null {
    if (this.#input.length > this.#limits.headBytes) {
      throw new HttpFault(
        "ERR_HTTP_FIELD_TOO_LARGE",
        `The head is larger than ${this.#limits.headBytes} bytes`,
      );
    }
    return null;
  }

  #takeHead(): RequestHead {
    const end = this.#fields.end;
    const text = this.#input.octets.toString("latin1", 0, end);
    const marks = this.#fields.marks;
    const names: FieldName[] = [];
    const values: string[] = [];
    for (let index = 0; index < marks.length; index += 4) {
      names.push(fieldNameOf(text.slice(marks[index], marks[index + 1])));
      values.push(this.#unfolded(text.slice(marks[index + 2], marks[index + 3])));
    }
    const method = this.#line.method(text);
    const target = this.#line.target(text);
    const head = makeHead({ method, target, version: this.#line.version(text), names, values }, this.#policy);
    this.#input.consume(end);
    this.#enterBody(head);
    return head;
  }

  /** Folded lines are joined by one space (RFC 9112 section 5.2). */
  #unfolded(value: string): string {
    return this.#policy.permitObsoleteFolding
      ? value
          .split("\r\n")
          .map(trimBlanks)
          .filter((part) => part !== "")
          .join(" ")
      : value;
  }

  #enterBody(head: RequestHead): void {
    const { framing } = head;
    switch (framing.type) {
      case "none":
        this.#phase = "end";
        break;
      case "length":
        this.#bodyLeft = framing.bytes;
        this.#phase = "length-body";
        break;
      case "chunked":
        this.#chunked = new ChunkedDecoder();
        this.#phase = "chunked-body";
        break;
      default:
        framing satisfies never;
    }
  }

  #takeLengthBody(): RequestEvent {
    const size = Math.min(this.#bodyLeft, this.#input.length);
    const bytes = this.#input.octets.subarray(0, size);
    this.#bodyLeft -= size;
    this.#input.consume(size);
    if (this.#bodyLeft === 0) this.#phase = "end";
    return { type: "body", bytes };
  }

  /** A body event, null when more is needed, undefined when the trailers begin. */
  #takeChunkedBody(): RequestEvent | null | undefined {
    const decoder = this.#chunked as ChunkedDecoder;
    decoder.rewind(0);
    const step = decoder.next(this.#input.octets, this.#input.length);
    switch (step.type) {
      case "more":
        this.#input.consume(this.#input.length);
        return null;
      case "data": {
        const bytes = this.#input.octets.subarray(step.start, step.end);
        this.#input.consume(step.end);
        return { type: "body", bytes };
      }
      case "trailers":
        this.#input.consume(step.start);
        this.#chunked = null;
        this.#fields.reset(0);
        this.#phase = "trailers";
        return undefined;
      default:
        return step satisfies never;
    }
  }

  /** Trailers are checked like any field and then dropped: they never reach framing or environ. */
  #checkTrailers(): void {
    const marks = this.#fields.marks;
    for (let index = 0; index < marks.length; index += 4) {
      const name = this.#input.octets.toString("latin1", marks[index], marks[index + 1]).toLowerCase();
      if (FORBIDDEN_TRAILERS.has(name)) {
        throw new HttpFault("ERR_HTTP_FIELD", `The field ${name} may not come as a trailer`);
      }
    }
  }
}
