import { BlockList, isIP } from "node:net";
import type { ProxyPreamble } from "../http/proxy-protocol.ts";
import type { Peer } from "../system/accepting.ts";
import { ipVersion } from "../system/ip-version.ts";
import type { InheritedListener } from "./messages.ts";

/** What is known of a client for the life of its connection. */
export interface Client {
  /** Peer address; "" for a unix socket. */
  readonly address: string;
  readonly port: string;
  /** Its scheme headers count (`forwarded_allow_ips`). */
  readonly isTrusted: boolean;
  /** Scheme of its connection, when no trusted header says otherwise. */
  readonly scheme: "http" | "https";
  /** Further environ entries for each of its requests, each `NUL NAME NUL value`. */
  readonly extraEnviron: string;
  readonly listener: InheritedListener;
}

/** How log lines call the client. */
export function nameOfClient({ address }: Client): string {
  return `ip=${address || "unix"}`;
}

/** Front servers are few; of clients there may be any number. */
const KNOWN_LIMIT = 100;

/** Decides which peers may say what the original request was like. */
export class TrustedPeers {
  readonly #list = new BlockList();
  readonly #isEverybody: boolean;
  /** What the list said of those who came: to ask it costs more than all else that is learnt of a client. */
  readonly #known = new Map<string, boolean>();

  /** Entries are addresses, CIDR ranges, or `*`; they were validated with the settings. */
  constructor(entries: readonly string[]) {
    this.#isEverybody = entries.includes("*");
    for (const entry of entries) {
      const [address = "", prefix] = entry.split("/");
      const version = ipVersion(address);
      if (version === 0) continue;
      const family = version === 6 ? "ipv6" : "ipv4";
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  /** A peer without an address has gone before it was asked for: it is nobody. */
  includes(address: string): boolean {
    if (address === "") return false;
    if (this.#isEverybody) return true;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const isIncluded = this.#list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
    if (this.#known.size === KNOWN_LIMIT) this.#known.clear();
    this.#known.set(address, isIncluded);
    return isIncluded;
  }
}

/** Who may connect to a unix socket is trusted, as Gunicorn does. */
export function isOnUnixSocket(listener: InheritedListener): boolean {
  return listener.serverName === null;
}

/** An IPv4 client on an IPv6 socket shows its IPv4 address. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

export function describeClient(
  peer: Peer,
  listener: InheritedListener,
  trusted: TrustedPeers,
  isEncrypted: boolean,
): Client {
  const address = plainAddress(peer.remoteAddress ?? "");
  return {
    address,
    port: peer.remotePort === undefined ? "" : String(peer.remotePort),
    isTrusted: isOnUnixSocket(listener) || trusted.includes(address),
    scheme: isEncrypted ? "https" : "http",
    extraEnviron: "",
    listener,
  };
}

/** The client that a PROXY preamble names. It is trusted by its own address, not by that of the proxy. */
export function relayedClient(client: Client, preamble: ProxyPreamble, trusted: TrustedPeers): Client {
  const { source, destination } = preamble;
  if (source === null || destination === null) return client;
  const address = plainAddress(source.address);
  const family = isIP(address) === 6 ? "TCP6" : "TCP4";
  return {
    ...client,
    address,
    port: String(source.port),
    isTrusted: trusted.includes(address),
    extraEnviron: `\0PROXY_PROTOCOL\0${family}\0PROXY_ADDR\0${destination.address}\0PROXY_PORT\0${destination.port}`,
  };
}

/** The client that a front server names by uwsgi variables. The front server itself was checked when it connected. */
export function frontedClient(client: Client, variables: ReadonlyMap<string, string>): Client {
  const address = variables.get("REMOTE_ADDR") ?? "";
  return {
    ...client,
    address: isIP(address) === 0 ? client.address : address,
    port: variables.get("REMOTE_PORT") ?? client.port,
    scheme: isHttps(variables) ? "https" : "http",
    listener: {
      ...client.listener,
      serverName: variables.get("SERVER_NAME") ?? client.listener.serverName,
      serverPort: variables.get("SERVER_PORT") ?? client.listener.serverPort,
    },
  };
}

function isHttps(variables: ReadonlyMap<string, string>): boolean {
  return variables.get("HTTPS") === "on" || variables.get("REQUEST_SCHEME") === "https";
}
