import { HttpFault } from "./http-fault.ts";
import { InputBuffer } from "./input-buffer.ts";
import type { HttpLimits } from "./limits.ts";
import type { HttpPolicy } from "./policy.ts";
import type { RequestEvent, RequestSource } from "./request-source.ts";
import { readPacket, toHead, unknownModifier, uwsgiFault } from "./uwsgi-packet.ts";

/** done: the one request of the connection was given out; what follows it is dropped. */
type Phase = "packet" | "body" | "end" | "done" | "failed";

const END: RequestEvent = { type: "end" };
const PACKET_HEADER_BYTES = 4;

/**
 * The uwsgi parser: bytes of a front server in, events out, as `RequestParser` gives them. A connection carries one
 * packet of variables (uwsgi-docs, Protocol: modifier1 0) and then the body, drawn in uwsgi-parser.md.
 *
 * The front server has read HTTP already, but nothing is trusted that a client may have chosen: method, target and
 * fields pass the rules of an HTTP head. The answer may be neither chunked nor interim: front servers read it as CGI.
 */
export class UwsgiParser implements RequestSource {
  readonly #limits: HttpLimits;
  readonly #policy: HttpPolicy;
  #phase: Phase = "packet";
  readonly #input = new InputBuffer();
  #bodyLeft = 0;

  constructor(limits: HttpLimits, policy: HttpPolicy) {
    this.#limits = limits;
    this.#policy = policy;
  }

  /** Nothing has come, or the request is complete: closing here loses nothing. */
  get isIdle(): boolean {
    return this.#phase === "done" || (this.#phase === "packet" && this.#input.length === 0);
  }

  /** The packet has begun and is not complete. */
  get isInHead(): boolean {
    return this.#phase === "packet" && this.#input.length > 0;
  }

  /** Not known of a packet that is refused; the front server drops the body of an answer to HEAD by itself. */
  get isHead(): boolean {
    return false;
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
    if (this.#phase === "done" || this.#phase === "failed") return;
    this.#input.append(bytes);
  }

  get bodyLeft(): number {
    return this.#phase === "body" && this.#input.length === 0 ? this.#bodyLeft : 0;
  }

  takeRest(): Buffer {
    return Buffer.alloc(0);
  }

  /** The next event, or null when more bytes are needed or none are wanted. */
  next(): RequestEvent | null {
    try {
      return this.#next();
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#phase = "failed";
      this.#input.clear();
      return { type: "fault", fault: error };
    }
  }

  #next(): RequestEvent | null {
    switch (this.#phase) {
      case "packet":
        return this.#takeHead();
      case "body":
        return this.#input.length === 0 ? null : this.#takeBody();
      case "end":
        this.#phase = "done";
        this.#input.clear();
        return END;
      case "done":
      case "failed":
        return null;
      default:
        return this.#phase satisfies never;
    }
  }

  #takeHead(): RequestEvent | null {
    const [modifier1, , , modifier2] = this.#input.octets.subarray(0, this.#input.length);
    if (modifier1 !== undefined && modifier1 !== 0) throw unknownModifier(modifier1);
    if (modifier2 === undefined) return null;
    if (modifier2 !== 0) throw uwsgiFault(`modifier2 is ${modifier2}, want 0`);
    const end = PACKET_HEADER_BYTES + this.#input.octets.readUInt16LE(1);
    if (end > this.#limits.headBytes) {
      throw new HttpFault(
        "ERR_HTTP_FIELD_TOO_LARGE",
        `The packet is larger than ${this.#limits.headBytes} bytes`,
      );
    }
    if (this.#input.length < end) return null;
    const packet = readPacket(this.#input.octets.subarray(PACKET_HEADER_BYTES, end));
    const head = toHead(packet, this.#limits, this.#policy);
    this.#input.consume(end);
    this.#bodyLeft = head.framing.type === "length" ? head.framing.bytes : 0;
    this.#phase = this.#bodyLeft > 0 ? "body" : "end";
    return { type: "head", head };
  }

  #takeBody(): RequestEvent {
    const size = Math.min(this.#bodyLeft, this.#input.length);
    const bytes = this.#input.octets.subarray(0, size);
    this.#bodyLeft -= size;
    this.#input.consume(size);
    if (this.#bodyLeft === 0) this.#phase = "end";
    return { type: "body", bytes };
  }
}
