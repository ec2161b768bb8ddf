import { CR, LF, SP, TARGET, TOKEN } from "./characters.ts";
import { HttpFault } from "./http-fault.ts";
import type { HttpLimits } from "./limits.ts";

type Phase = "leading" | "leading-line-feed" | "method" | "target" | "version" | "line-feed";

/** Empty lines that may come before a request line (RFC 9112 section 2.2 asks for one at least). */
const LEADING_EMPTY_LINES = 2;

/** First octet of a TLS record that carries a handshake. */
const TLS_HANDSHAKE = 0x16;

/**
 * Finds `method SP request-target SP HTTP-version CRLF` (RFC 9112 section 3) and checks every octet.
 * Exactly one space separates the parts; nothing is repaired.
 */
export class RequestLineScanner {
  readonly #limits: HttpLimits;
  #phase: Phase = "leading";
  #position = 0;
  #emptyLines = 0;
  #lineStart = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #versionEnd = 0;

  constructor(limits: HttpLimits) {
    this.#limits = limits;
  }

  reset(): void {
    this.#phase = "leading";
    this.#position = 0;
    this.#lineStart = 0;
    this.#methodEnd = 0;
    this.#emptyLines = 0;
  }

  /** Position after the CRLF; valid once `scan` returned true. */
  get end(): number {
    return this.#position;
  }

  /** Only empty lines have come so far: no request has begun. */
  get isIdle(): boolean {
    return this.#phase === "leading" || this.#phase === "leading-line-feed";
  }

  /** The method has come, and is HEAD. */
  isHead(octets: Buffer): boolean {
    return octets.toString("latin1", this.#lineStart, this.#methodEnd) === "HEAD";
  }

  /** The three parts, cut from the head's text whose first character is octet 0 of the buffer. */
  method(text: string): string {
    return text.slice(this.#lineStart, this.#methodEnd);
  }

  target(text: string): string {
    return text.slice(this.#methodEnd + 1, this.#targetEnd);
  }

  version(text: string): string {
    return text.slice(this.#targetEnd + 1, this.#versionEnd);
  }

  /** Looks at octets up to `length`. True when the line is complete, false when more input is needed. */
  scan(octets: Uint8Array, length: number): boolean {
    let position = this.#position;
    while (position < length) {
      const octet = octets[position] as number;
      switch (this.#phase) {
        case "leading":
          if (octet === CR && this.#emptyLines < LEADING_EMPTY_LINES) {
            this.#phase = "leading-line-feed";
            position += 1;
            break;
          }
          if (TOKEN[octet] !== 1) throw badStart(octet);
          this.#lineStart = position;
          this.#phase = "method";
          break;
        case "leading-line-feed":
          if (octet !== LF) throw badLine("a carriage return stands alone before the request line");
          this.#emptyLines += 1;
          this.#phase = "leading";
          position += 1;
          break;
        case "method":
          while (position < length && TOKEN[octets[position] as number] === 1) position += 1;
          this.#checkLength(position);
          if (position === length) break;
          if (octets[position] !== SP) throw badLine("the method must be a token followed by one space");
          this.#methodEnd = position;
          this.#phase = "target";
          position += 1;
          break;
        case "target":
          while (position < length && TARGET[octets[position] as number] === 1) position += 1;
          this.#checkLength(position);
          if (position === length) break;
          if (octets[position] !== SP || position === this.#methodEnd + 1) {
            throw badLine("the target must be visible ASCII between single spaces, before the version");
          }
          this.#targetEnd = position;
          this.#phase = "version";
          position += 1;
          break;
        case "version":
          while (position < length && TARGET[octets[position] as number] === 1) position += 1;
          this.#checkLength(position);
          if (position === length) break;
          if (octets[position] !== CR) throw badLine("the version must be followed by CRLF");
          this.#versionEnd = position;
          this.#phase = "line-feed";
          position += 1;
          break;
        case "line-feed":
          if (octet !== LF) throw badLine("a carriage return stands alone");
          this.#position = position + 1;
          return true;
        default:
          this.#phase satisfies never;
      }
    }
    this.#position = position;
    return false;
  }

  #checkLength(position: number): void {
    const { requestLineBytes } = this.#limits;
    if (requestLineBytes > 0 && position - this.#lineStart > requestLineBytes) {
      throw new HttpFault(
        "ERR_HTTP_LINE_TOO_LONG",
        `The request line is longer than ${requestLineBytes} bytes`,
      );
    }
  }
}

function badLine(reason: string): HttpFault {
  return new HttpFault("ERR_HTTP_REQUEST_LINE", `Invalid request line: ${reason}`);
}

function badStart(octet: number): HttpFault {
  return badLine(
    octet === TLS_HANDSHAKE
      ? "this looks like a TLS handshake, want plain HTTP on this port"
      : "it does not begin with a method",
  );
}
