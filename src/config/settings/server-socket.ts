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

A list on the command line replaces the list of the configuration file. Port 0 takes a free port, which the
log names. unix:@NAME is an abstract socket, without a file (Linux); for a file of that name, write
unix:./@NAME. fd://N is a socket that was bound before and left open as descriptor N. Sockets passed by
systemd take the place of this setting. A reload binds new addresses, closes those that are gone, and leaves
the others alone.`,
  }),
  setting({
    name: "backlog",
    section: "Server Socket",
    flags: ["--backlog"],
    metavar: "INT",
    defaultValue: 2048,
    parse: wholeNumber,
    doc: `Connections that the kernel keeps waiting until the server accepts them.

The kernel limits it to net.core.somaxconn. Requests that were accepted wait in the router, not here.`,
  }),
] as const;
