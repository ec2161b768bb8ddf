import { bindList } from "../bind-address.ts";
import { wholeNumber } from "../parsers.ts";
import { setting } from "../setting.ts";

export const serverSocketSettings = [
  setting({
    name: "bind",
    section: "Server Socket",
    flags: ["--bind", "-b"],
    metavar: "ADDRESS",
    isRepeatable: true,
    defaultValue: ["127.0.0.1:8000"],
    environment: { variable: "PORT", toValue: (port) => [`0.0.0.0:${port}`] },
    parse: bindList,
    doc: `Where to listen: HOST:PORT, PORT, [IPv6]:PORT or unix:PATH. May be given several times.

A list replaces that of a weaker source. Port 0 takes a free port, which the log names.`,
  }),
  setting({
    name: "backlog",
    section: "Server Socket",
    flags: ["--backlog"],
    metavar: "INT",
    defaultValue: 2048,
    parse: wholeNumber,
    doc: `Connections that the kernel keeps waiting until they are accepted.

The kernel caps it at net.core.somaxconn. Requests that were accepted wait in the router, not here.`,
  }),
] as const;
