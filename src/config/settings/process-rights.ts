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

Arbiter and mold stay what they are: they bind ports, open log files and run the hooks of the server. Log files
and sockets that they make are given to the user. Without group it is the user's own group.`,
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
    doc: `The workers are also in the user's further groups; without it they are in no further group.`,
  }),
  setting({
    name: "umask",
    section: "Server Mechanics",
    flags: ["--umask", "-m"],
    metavar: "INT",
    defaultValue: 0,
    parse: modeMask,
    doc: `What others may not do with the unix sockets of bind; 0o117: only user and group may connect.

Written as Python does: 0o22 and 022 are octal, 18 is decimal, 0x12 hexadecimal. Files that the application makes
are not affected, as with Gunicorn; it may call os.umask itself.`,
  }),
] as const;
