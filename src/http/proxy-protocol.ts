import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { CR, LF, TOKEN } from "./characters.ts";
import { HttpFault, quoteForLog } from "./http-fault.ts";

/** Which versions a connection may begin with (`proxy_protocol`). */
export type ProxyProtocolMode = "v1" | "v2" | "auto";

/** An end of the connection that the proxy relays; IPv6 addresses are spelt as RFC 5952 wants. */
export interface ProxyEndpoint {
  readonly address: string;
  readonly port: number;
}

/** The client that the proxy names; null: the proxy speaks for itself (LOCAL), or cannot name it (UNKNOWN, UNSPEC). */
export type ProxyPreamble = {
  readonly source: ProxyEndpoint | null;
  readonly destination: ProxyEndpoint | null;
};

/** What a preamble says, and the length of the preamble itself. */
interface Parsed {
  readonly preamble: ProxyPreamble;
  readonly end: number;
}

const EMPTY = Buffer.alloc(0);
const NOBODY: ProxyPreamble = { source: null, destination: null };

const V1_START = Buffer.from("PROXY ", "latin1");
/** Longest line of version 1, with its CRLF. */
const V1_LIMIT_BYTES = 107;
const PORT = /^(?:0|[1-9][0-9]{0,4})$/;

const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V2_HEADER_BYTES = 16;
/** What may follow the header of version 2. 65535 can be announced; real proxies stay below 536. */
const V2_LIMIT_BYTES = 4096;
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
/** Bytes of both addresses and ports by address family: UNSPEC, INET, INET6, UNIX. */
const ADDRESS_BYTES = [0, 12, 36, 216];

/**
 * Reads the preamble by which a proxy names its client at the beginning of a connection: the PROXY protocol,
 * versions 1 and 2 (haproxy, doc/proxy-protocol.txt, sections 2.1 and 2.2), drawn in proxy-protocol.md.
 *
 * Only for connections of trusted proxies. Nothing is guessed: what does not begin with a preamble is refused.
 */
export class ProxyPreambleReader {
  readonly #mode: ProxyProtocolMode;
  #seen: Buffer = EMPTY;

  constructor(mode: ProxyProtocolMode) {
    this.#mode = mode;
  }

  /** No byte has come yet: closing here loses nothing. */
  get isIdle(): boolean {
    return this.#seen.length === 0;
  }

  /**
   * Adds bytes. Null: more are needed. `rest` is what follows the preamble; the reader is then done.
   * Throws `HttpFault("ERR_PROXY_PROTOCOL")` as soon as the bytes cannot become a preamble of the mode.
   */
  feed(bytes: Buffer): { readonly preamble: ProxyPreamble; readonly rest: Buffer } | null {
    const seen = this.#seen.length === 0 ? bytes : Buffer.concat([this.#seen, bytes]);
    this.#seen = seen;
    if (seen.length === 0) return null;
    const isV2 = this.#mode === "v2" || (this.#mode === "auto" && seen[0] === V2_SIGNATURE[0]);
    const parsed = isV2 ? this.#parseV2(seen) : this.#parseV1(seen);
    return parsed === null ? null : { preamble: parsed.preamble, rest: seen.subarray(parsed.end) };
  }

  #parseV1(seen: Buffer): Parsed | null {
    if (!this.#hasStart(seen, V1_START)) return null;
    const lineEnd = seen.subarray(0, V1_LIMIT_BYTES - 1).findIndex((octet) => octet === CR || octet === LF);
    if (lineEnd < 0) {
      if (seen.length < V1_LIMIT_BYTES - 1) return null;
      throw fault(`the line is longer than ${V1_LIMIT_BYTES} bytes`);
    }
    if (seen[lineEnd] === LF) throw fault("the line ends in a bare line feed, want CRLF");
    if (seen.length === lineEnd + 1) return null;
    if (seen[lineEnd + 1] !== LF) throw fault("a carriage return stands alone in the line");
    return { preamble: parseLine(seen.toString("latin1", 0, lineEnd)), end: lineEnd + 2 };
  }

  /** Each octet is judged as soon as it is there, so that what is wrong does not depend on how the input is cut. */
  #parseV2(seen: Buffer): Parsed | null {
    if (!this.#hasStart(seen, V2_SIGNATURE)) return null;
    const [command, family] = seen.subarray(V2_SIGNATURE.length);
    if (command === undefined) return null;
    if (command >> 4 !== 2) throw fault(`version ${command >> 4} is unknown, want 2`);
    if (command !== LOCAL && command !== PROXY)
      throw fault(`command ${command & 15} is unknown, want 0 or 1`);
    if (family === undefined) return null;
    // Of a LOCAL connection everything but the length is ignored, the family too.
    const isNamed = command === PROXY;
    const addressBytes = isNamed ? addressBytesOf(family) : 0;
    if (seen.length < V2_HEADER_BYTES) return null;
    const blockBytes = seen.readUInt16BE(V2_HEADER_BYTES - 2);
    if (blockBytes > V2_LIMIT_BYTES) {
      throw fault(`${blockBytes} bytes of addresses are announced, want ${V2_LIMIT_BYTES} at most`);
    }
    if (blockBytes < addressBytes) {
      throw fault(`${blockBytes} bytes cannot hold the addresses, want ${addressBytes}`);
    }
    const end = V2_HEADER_BYTES + blockBytes;
    if (seen.length < end) return null;
    const block = seen.subarray(V2_HEADER_BYTES, end);
    return { preamble: isNamed ? parseAddresses(family, block) : NOBODY, end };
  }

  /** Whether `start` is there completely; throws at the first octet that differs. */
  #hasStart(seen: Buffer, start: Buffer): boolean {
    const difference = start.findIndex((octet, index) => index < seen.length && seen[index] !== octet);
    if (difference >= 0)
      throw fault(`${describe(seen[difference] ?? 0, this.#mode)}, want ${WANTED[this.#mode]}`);
    return seen.length >= start.length;
  }
}

const WANTED: Readonly<Record<ProxyProtocolMode, string>> = {
  v1: "a preamble of version 1 (proxy_protocol = v1)",
  v2: "a preamble of version 2 (proxy_protocol = v2)",
  auto: "a preamble of version 1 or 2 (proxy_protocol = auto)",
};

/** Says in words what the first octet that fits no preamble looks like. */
function describe(octet: number, mode: ProxyProtocolMode): string {
  if (octet === 0x16) return "this looks like a TLS handshake";
  if (TOKEN[octet] !== 1) return `there is the octet 0x${octet.toString(16).padStart(2, "0")}`;
  return `this looks like a plain HTTP request${mode === "v2" ? ", or a preamble of version 1" : ""}`;
}

/** `PROXY TCP4|TCP6 source destination port port`, or `PROXY UNKNOWN` with anything behind it. */
function parseLine(line: string): ProxyPreamble {
  const words = line.split(" ");
  const [, family = "", source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  if (family === "UNKNOWN") return NOBODY;
  if (family !== "TCP4" && family !== "TCP6") {
    throw fault(`the protocol ${quoteForLog(family)} is unknown, want TCP4, TCP6 or UNKNOWN`);
  }
  if (words.length !== 6) throw fault(`the line has ${words.length} words, want 6 with one space between`);
  return {
    source: { address: parseAddress(family, source), port: parsePort(sourcePort) },
    destination: { address: parseAddress(family, destination), port: parsePort(destinationPort) },
  };
}

function parseAddress(family: "TCP4" | "TCP6", text: string): string {
  if (family === "TCP4" && isIPv4(text)) return text;
  // node:net takes a zone as well, which means nothing on another machine.
  if (family === "TCP6" && isIPv6(text) && !text.includes("%")) return canonicalIPv6(text);
  throw fault(`${quoteForLog(text)} is no address of ${family}`);
}

function parsePort(text: string): number {
  const port = PORT.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw fault(`${quoteForLog(text)} is no port, want 0 to 65535 without leading zeros`);
  return port;
}

/** Throws for a family or a transport that the specification does not know. */
function addressBytesOf(family: number): number {
  const bytes = ADDRESS_BYTES[family >> 4];
  if (bytes === undefined) throw fault(`address family ${family >> 4} is unknown`);
  const transport = family & 15;
  if (transport > 2) throw fault(`transport ${transport} is unknown`);
  return transport === 0 ? 0 : bytes;
}

/** Other families and transports than TCP over IP are valid and name nobody, as the specification asks. */
function parseAddresses(family: number, block: Buffer): ProxyPreamble {
  if (family !== TCP_OVER_IPV4 && family !== TCP_OVER_IPV6) return NOBODY;
  const size = family === TCP_OVER_IPV4 ? 4 : 16;
  const toEndpoint = (index: number): ProxyEndpoint => ({
    address: addressText(block.subarray(index * size, (index + 1) * size)),
    port: block.readUInt16BE(2 * size + 2 * index),
  });
  return { source: toEndpoint(0), destination: toEndpoint(1) };
}

function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join(".");
  return canonicalIPv6((octets.toString("hex").match(/.{4}/g) ?? []).join(":"));
}

function canonicalIPv6(address: string): string {
  return new SocketAddress({ address, family: "ipv6" }).address;
}

function fault(reason: string): HttpFault {
  return new HttpFault("ERR_PROXY_PROTOCOL", `Invalid PROXY preamble: ${reason}`);
}
