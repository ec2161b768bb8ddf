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
    doc: `Where to listen: HOST:PORT, PORT, [IPv6]:PORT, unix:PATH, unix:@NAME or fd://N. May be given several times.

A list replaces that of a weaker source. Port 0 takes a free port, which the log names. unix:@NAME is an
abstract socket, without a file (Linux); a file of such a name is unix:./@NAME. fd://N is a socket that was
bound before and left open at descriptor N. Sockets passed by systemd take the place of this setting. A reload
binds what is new, closes what is gone, and leaves alone what stays.`,
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
