import { COLON, CR, FIELD_VALUE, HTAB, LF, SP, TOKEN } from "./characters.ts";
import { HttpFault } from "./http-fault.ts";
import type { HttpLimits } from "./limits.ts";
import type { HttpPolicy } from "./policy.ts";

/** Where the scanner stands; kept between pieces of input, so that no octet is looked at twice. */
type Phase = "line-start" | "name" | "blank-after-name" | "value" | "value-line-feed" | "end-line-feed";

/**
 * Finds the field lines of a head or of trailers (RFC 9112 section 5) and checks every octet of them.
 *
 * It works on positions in a buffer that only ever grows at its end. After `scan` returned true,
 * `marks` holds four positions for each field: start and end of its name, start and end of its value.
 */
export class FieldScanner {
  readonly marks: number[] = [];
  readonly #limits: HttpLimits;
  readonly #policy: HttpPolicy;
  #phase: Phase = "line-start";
  #position = 0;
  #lineStart = 0;
  #nameEnd = 0;
  #colon = 0;

  constructor(limits: HttpLimits, policy: HttpPolicy) {
    this.#limits = limits;
    this.#policy = policy;
  }

  /** Begins anew at `position`. */
  reset(position: number): void {
    this.marks.length = 0;
    this.#phase = "line-start";
    this.#position = position;
    this.#lineStart = position;
  }

  /** Position after the empty line that ends the fields; valid once `scan` returned true. */
  get end(): number {
    return this.#position;
  }

  /** Looks at octets up to `length`. True when the fields are complete, false when more input is needed. */
  scan(octets: Uint8Array, length: number): boolean {
    let position = this.#position;
    while (position < length) {
      switch (this.#phase) {
        case "line-start": {
          const octet = octets[position] as number;
          if (octet === CR) {
            this.#phase = "end-line-feed";
            position += 1;
            break;
          }
          if (isBlank(octet)) {
            this.#unfold();
            this.#phase = "value";
            break;
          }
          this.#checkCount();
          this.#lineStart = position;
          this.#phase = "name";
          break;
        }
        case "name": {
          while (position < length && TOKEN[octets[position] as number] === 1) position += 1;
          this.#checkLineLength(position);
          if (position === length) break;
          const octet = octets[position] as number;
          const isStripped = this.#policy.stripHeaderSpaces && isBlank(octet);
          if ((octet !== COLON && !isStripped) || position === this.#lineStart) {
            throw new HttpFault("ERR_HTTP_FIELD", badNameMessage(octet));
          }
          this.#nameEnd = position;
          this.#phase = "blank-after-name";
          break;
        }
        case "blank-after-name": {
          while (position < length && isBlank(octets[position] as number)) position += 1;
          this.#checkLineLength(position);
          if (position === length) break;
          if (octets[position] !== COLON) {
            throw new HttpFault("ERR_HTTP_FIELD", badNameMessage(octets[position] as number));
          }
          this.#colon = position;
          position += 1;
          this.#phase = "value";
          break;
        }
        case "value": {
          while (position < length && FIELD_VALUE[octets[position] as number] === 1) position += 1;
          this.#checkLineLength(position);
          if (position === length) break;
          if (octets[position] !== CR) {
            throw new HttpFault("ERR_HTTP_FIELD", badValueMessage(octets[position] as number));
          }
          this.#mark(octets, position);
          position += 1;
          this.#phase = "value-line-feed";
          break;
        }
        case "value-line-feed": {
          if (octets[position] !== LF) {
            throw new HttpFault("ERR_HTTP_FIELD", "A carriage return stands alone in a header field");
          }
          position += 1;
          this.#phase = "line-start";
          break;
        }
        case "end-line-feed": {
          if (octets[position] !== LF) {
            throw new HttpFault("ERR_HTTP_FIELD", "A carriage return stands alone in the head");
          }
          this.#position = position + 1;
          return true;
        }
        default:
          this.#phase satisfies never;
      }
    }
    this.#position = position;
    return false;
  }

  /** A line that begins with white space continues the field before it, if that is permitted. */
  #unfold(): void {
    if (!this.#policy.permitObsoleteFolding || this.marks.length === 0) {
      throw new HttpFault("ERR_HTTP_FIELD", "A header line begins with white space (obsolete folding)");
    }
    // Where its line, its name and its value begin is known still.
    this.marks.splice(-4);
  }

  #checkCount(): void {
    const { fieldCount } = this.#limits;
    if (fieldCount > 0 && this.marks.length / 4 >= fieldCount) {
      throw new HttpFault("ERR_HTTP_TOO_MANY_FIELDS", `More than ${fieldCount} header fields`);
    }
  }

  #checkLineLength(position: number): void {
    const { fieldBytes } = this.#limits;
    if (fieldBytes > 0 && position - this.#lineStart > fieldBytes) {
      throw new HttpFault("ERR_HTTP_FIELD_TOO_LARGE", `A header field is longer than ${fieldBytes} bytes`);
    }
  }

  /** Notes the field that ends at `position`, without the white space around its value (RFC 9110 section 5.5). */
  #mark(octets: Uint8Array, position: number): void {
    let start = this.#colon + 1;
    let end = position;
    while (start < end && isBlank(octets[start] as number)) start += 1;
    while (end > start && isBlank(octets[end - 1] as number)) end -= 1;
    this.marks.push(this.#lineStart, this.#nameEnd, start, end);
  }
}

function isBlank(octet: number): boolean {
  return octet === SP || octet === HTAB;
}

function badNameMessage(octet: number): string {
  if (octet === COLON) return "A header field has no name";
  if (isBlank(octet)) return "White space stands in or after a header name";
  return `A header name holds the octet ${hex(octet)}, want a token`;
}

function badValueMessage(octet: number): string {
  if (octet === LF) return "A header line ends in a bare line feed, want CRLF";
  return `A header value holds the control octet ${hex(octet)}`;
}

function hex(octet: number): string {
  return `0x${octet.toString(16).padStart(2, "0")}`;
}
