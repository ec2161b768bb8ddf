import { optionalText } from "../parsers.ts";
import { setting } from "../setting.ts";

export const processNamingSettings = [
  setting({
    name: "proc_name",
    section: "Process Naming",
    flags: ["--name", "-n"],
    metavar: "NAME",
    defaultValue: null,
    parse: optionalText,
    doc: `Name of this server in the process list. Python processes show it if setproctitle is installed.`,
  }),
] as const;
