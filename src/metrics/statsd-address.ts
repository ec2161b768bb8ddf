/** Where a statsd server listens. */
export type StatsdAddress =
  | { readonly type: "unix"; readonly path: string }
  | { readonly type: "udp"; readonly host: string; readonly port: number };

const DEFAULT_PORT = 8125;

const HOST_AND_PORT = /^(?:udp:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/#]*))(?::([0-9]{1,5}))?$/;

/** `HOST`, `HOST:PORT` or `unix://PATH`; null for what is no address. python/tunicorn/statsd.py reads the same. */
export function parseStatsdAddress(written: string): StatsdAddress | null {
  if (written.startsWith("unix:")) {
    const path = written.slice("unix:".length).replace(/^\/\//, "");
    return path === "" ? null : { type: "unix", path };
  }
  const match = HOST_AND_PORT.exec(written);
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (match === null || written === "" || port > 65_535) return null;
  return { type: "udp", host: match[1] || match[2] || "127.0.0.1", port };
}
