/** Addresses of syslog and statsd servers. */
import { parseStatsdAddress } from "../metrics/statsd-address.ts";
import { text } from "./parsers.ts";
import { WantedError } from "./setting.ts";

const HOST_AND_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[^:[\]/#]*)(?::([0-9]{1,5}))?$/;

/** `unix://PATH`, also with `#stream` or `#dgram`, `udp://HOST:PORT`, `tcp://HOST:PORT`. */
export function syslogAddress(input: unknown): string {
  const written = text(input);
  const [, scheme, rest = ""] = /^(unix|udp|tcp):\/\/(.*)$/.exec(written) ?? [];
  const port = Number(HOST_AND_PORT.exec(rest)?.[1] ?? 0);
  const isGood =
    scheme === "unix" ? /^[^#]+(#(stream|dgram))?$/.test(rest) : HOST_AND_PORT.test(rest) && port <= 65_535;
  if (scheme === undefined || !isGood) {
    throw new WantedError(
      "unix://PATH, unix://PATH#stream, unix://PATH#dgram, udp://HOST:PORT or tcp://HOST:PORT",
    );
  }
  return written;
}

/** `HOST`, `HOST:PORT`, `unix://PATH`, or null. */
export function statsdHost(input: unknown): string | null {
  if (input === null || input === undefined) return null;
  const written = text(input);
  if (written === "") return null;
  if (parseStatsdAddress(written) === null) throw new WantedError("HOST:PORT or unix://PATH");
  return written;
}
