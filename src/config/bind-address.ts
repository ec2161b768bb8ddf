import { WantedError } from "./setting.ts";

/** Where to listen. */
export type BindAddress =
  | { readonly type: "tcp"; readonly host: string; readonly port: number }
  | { readonly type: "unix"; readonly path: string };

const DEFAULT_PORT = 8000;

/**
 * Reads a bind address: `host:port`, `[::1]:port`, `:port` (all addresses), `port`, `host`, `unix:PATH`.
 * A bare number is a port; Gunicorn takes it for a host name.
 */
export function parseBindAddress(written: string): BindAddress {
  const text = written.trim();
  const unix = /^unix:(?:\/\/)?(.+)$/.exec(text);
  if (unix?.[1] !== undefined) return { type: "unix", path: unix[1] };
  if (text.startsWith("unix:")) throw new WantedError(`unix:PATH instead of "${written}"`);
  const rest = text.replace(/^tcp:\/\//, "");
  if (rest === "") return { type: "tcp", host: "0.0.0.0", port: DEFAULT_PORT };
  if (/^[0-9]+$/.test(rest)) return { type: "tcp", host: "0.0.0.0", port: parsePort(rest) };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/]*))(?::([^:]*))?$/.exec(rest);
  if (match === null) {
    throw new WantedError(`host:port, [IPv6]:port, port or unix:PATH instead of "${written}"`);
  }
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  return {
    type: "tcp",
    host: host === "" ? "0.0.0.0" : host,
    port: match[3] === undefined ? DEFAULT_PORT : parsePort(match[3]),
  };
}

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new WantedError(`a port of 0 to 65535 instead of "${text}"`);
  return port;
}

/** A list of addresses, or one text with commas. The text is kept; it was checked. */
export function bindList(input: unknown): readonly string[] {
  const entries = typeof input === "string" ? input.split(",") : input;
  if (!Array.isArray(entries) || entries.length === 0)
    throw new WantedError("an address or a list of addresses");
  return entries.map((entry: unknown) => {
    if (typeof entry !== "string") throw new WantedError("addresses written as text");
    parseBindAddress(entry);
    return entry.trim();
  });
}
