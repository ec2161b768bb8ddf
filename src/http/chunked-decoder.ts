import { CR, HTAB, LF, SEMICOLON, SP } from "./characters.ts";
import { HttpFault } from "./http-fault.ts";
import { CHUNK_EXTENSIONS_LIMIT_BYTES, CHUNK_LINE_LIMIT_BYTES } from "./limits.ts";

type Phase = "size" | "size-line-feed" | "data" | "data-carriage-return" | "data-line-feed" | "trailers";

/** What `next` found at its position. */
export type ChunkStep =
  | { readonly type: "more" }
  | { readonly type: "data"; readonly start: number; readonly end: number }
  | { readonly type: "trailers"; readonly start: number };

const MORE: ChunkStep = { type: "more" };

/** token [ "=" ( token / quoted-string ) ], any number of them (RFC 9112 section 7.1.1). */
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/;

/** Enough for any chunk that can be counted exactly: 2^53 has fourteen hexadecimal digits. */
const SIZE_DIGITS_LIMIT = 13;

/**
 * Decodes the chunked coding (RFC 9112 section 7.1) piece by piece. It copies no data: it answers with
 * positions in the input. The trailer section is left to a field scanner.
 */
export class ChunkedDecoder {
  #phase: Phase = "size";
  #line = "";
  #left = 0;
  #extensionBytes = 0;
  #position = 0;

  /** Where the next octet is to be read. */
  get position(): number {
    return this.#position;
  }

  /** The input was replaced: reading goes on at its start. */
  rewind(position: number): void {
    this.#position = position;
  }

  next(octets: Buffer, length: number): ChunkStep {
    while (this.#position < length) {
      const octet = octets[this.#position] as number;
      switch (this.#phase) {
        case "size":
          this.#readSizeLine(octets, length);
          break;
        case "size-line-feed":
          if (octet !== LF) throw badChunk("a carriage return stands alone in a chunk-size line");
          this.#position += 1;
          this.#left = this.#endSizeLine();
          this.#phase = this.#left === 0 ? "trailers" : "data";
          if (this.#left === 0) return { type: "trailers", start: this.#position };
          break;
        case "data": {
          const start = this.#position;
          const end = Math.min(length, start + this.#left);
          this.#left -= end - start;
          this.#position = end;
          if (this.#left === 0) this.#phase = "data-carriage-return";
          return { type: "data", start, end };
        }
        case "data-carriage-return":
          if (octet !== CR) throw badChunk("chunk data is not followed by CRLF");
          this.#phase = "data-line-feed";
          this.#position += 1;
          break;
        case "data-line-feed":
          if (octet !== LF) throw badChunk("chunk data is not followed by CRLF");
          this.#phase = "size";
          this.#position += 1;
          break;
        case "trailers":
          return { type: "trailers", start: this.#position };
        default:
          this.#phase satisfies never;
      }
    }
    return MORE;
  }

  /** Gathers a line up to its carriage return; what cannot begin a chunk-size line is refused at once. */
  #readSizeLine(octets: Buffer, length: number): void {
    const start = this.#position;
    let end = start;
    while (end < length) {
      const octet = octets[end] as number;
      if (octet === CR) break;
      if (octet === LF) throw badChunk("a chunk-size line ends in a bare line feed");
      end += 1;
    }
    if (this.#line.length + end - start > CHUNK_LINE_LIMIT_BYTES) {
      throw badChunk(`a chunk-size line is longer than ${CHUNK_LINE_LIMIT_BYTES} bytes`);
    }
    this.#line += octets.toString("latin1", start, end);
    if (this.#line !== "" && !isHexDigit(this.#line.charCodeAt(0))) {
      throw badChunk("a chunk size does not begin with a hexadecimal digit");
    }
    this.#position = end;
    if (end < length) {
      this.#phase = "size-line-feed";
      this.#position += 1;
    }
  }

  /** The size that the gathered line says. */
  #endSizeLine(): number {
    const line = this.#line;
    this.#line = "";
    let digits = 0;
    while (digits < line.length && isHexDigit(line.charCodeAt(digits))) digits += 1;
    if (digits === 0) throw badChunk("a chunk size is missing");
    const rest = line.slice(digits);
    if (rest !== "") this.#checkExtensions(rest);
    const text = line.slice(0, digits).replace(/^0+(?=.)/, "");
    if (text.length > SIZE_DIGITS_LIMIT) throw badChunk("a chunk size is too large");
    return Number.parseInt(text, 16);
  }

  /** Extensions are checked and forgotten. */
  #checkExtensions(rest: string): void {
    this.#extensionBytes += rest.length;
    if (this.#extensionBytes > CHUNK_EXTENSIONS_LIMIT_BYTES) {
      throw badChunk(`chunk extensions hold more than ${CHUNK_EXTENSIONS_LIMIT_BYTES} bytes`);
    }
    const first = rest.charCodeAt(0);
    const mayBegin = first === SEMICOLON || first === SP || first === HTAB;
    if (!mayBegin || !EXTENSIONS.test(rest)) throw badChunk("a chunk size is followed by invalid extensions");
  }
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

function badChunk(reason: string): HttpFault {
  return new HttpFault("ERR_HTTP_CHUNK", `Invalid chunked body: ${reason}`);
}
