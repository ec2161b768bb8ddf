import { WantedError } from "./setting.ts";

/** Where to listen. */
export type BindAddress =
  | { readonly type: "tcp"; readonly host: string; readonly port: number }
  | { readonly type: "unix"; readonly path: string }
  /** A unix socket without a file, which Linux has. */
  | { readonly type: "abstract"; readonly name: string }
  /** A socket that whoever started us has bound and left open. */
  | { readonly type: "descriptor"; readonly fd: number };

const DEFAULT_PORT = 8000;

/**
 * Reads a bind address: `host:port`, `[::1]:port`, `:port` (all addresses), `port`, `host`, `unix:PATH`,
 * `unix:@NAME`, `fd://N`. Gunicorn takes a bare number for a host name and `@NAME` for the name of a file.
 */
export function parseBindAddress(written: string): BindAddress {
  const text = written.trim();
  if (text.startsWith("unix:")) return parseUnixAddress(text, written);
  if (text.startsWith("fd://")) {
    if (!/^fd:\/\/[0-9]{1,9}$/.test(text)) throw new WantedError(`fd://NUMBER instead of "${written}"`);
    return { type: "descriptor", fd: Number(text.slice(5)) };
  }
  const rest = text.replace(/^tcp:\/\//, "");
  if (rest === "") return { type: "tcp", host: "0.0.0.0", port: DEFAULT_PORT };
  if (/^[0-9]+$/.test(rest)) return { type: "tcp", host: "0.0.0.0", port: parsePort(rest) };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/]*))(?::([^:]*))?$/.exec(rest);
  if (match === null) {
    const url = /^https?:\/\/([^/]+)/.exec(rest);
    if (url !== null) throw new WantedError(`${url[1]}, without a scheme`);
    if (/^[./]/.test(rest)) throw new WantedError(`unix:${rest} for a path`);
    throw new WantedError(`host:port, [IPv6]:port, port, unix:PATH or fd://NUMBER instead of "${written}"`);
  }
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  return {
    type: "tcp",
    host: host === "" ? "0.0.0.0" : host,
    port: match[3] === undefined ? DEFAULT_PORT : parsePort(match[3]),
  };
}

function parseUnixAddress(text: string, written: string): BindAddress {
  const path = text.replace(/^unix:(?:\/\/)?/, "");
  if (path === "" || path === "@") throw new WantedError(`unix:PATH or unix:@NAME instead of "${written}"`);
  return path.startsWith("@") ? { type: "abstract", name: path.slice(1) } : { type: "unix", path };
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
    throw new WantedError('an address such as "127.0.0.1:8000", or a list of addresses');
  return entries.map((entry: unknown) => {
    if (typeof entry !== "string") throw new WantedError("addresses written as text");
    parseBindAddress(entry);
    return entry.trim();
  });
}
