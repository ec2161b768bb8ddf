import { boolean, modeMask, nameOrNumber } from "../parsers.ts";
import { setting } from "../setting.ts";

export const processRightsSettings = [
  setting({
    name: "user",
    section: "Server Mechanics",
    flags: ["--user", "-u"],
    metavar: "USER",
    defaultValue: null,
    parse: nameOrNumber,
    doc: `The user that the workers and the router run as: a name or a number. Only root may choose.

Arbiter and mold keep their user: they bind ports, open log files and run the hooks of the server. Log files
and sockets that they create are given to the user. Without group, the user's own group is taken.`,
  }),
  setting({
    name: "group",
    section: "Server Mechanics",
    flags: ["--group", "-g"],
    metavar: "GROUP",
    defaultValue: null,
    parse: nameOrNumber,
    doc: `The group that the workers and the router run as: a name or a number. Only root may choose.`,
  }),
  setting({
    name: "initgroups",
    section: "Server Mechanics",
    flags: ["--initgroups"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Give the workers the user's supplementary groups as well; without it they have none.`,
  }),
  setting({
    name: "umask",
    section: "Server Mechanics",
    flags: ["--umask", "-m"],
    metavar: "INT",
    defaultValue: 0,
    parse: modeMask,
    doc: `Permissions to take away from the unix sockets of bind; with 0o117 only user and group may connect.

It is written as in Python: 0o22 and 022 are octal, 18 is decimal, 0x12 hexadecimal. Files that the
application creates are not affected, as with Gunicorn; it may call os.umask itself.`,
  }),
] as const;
