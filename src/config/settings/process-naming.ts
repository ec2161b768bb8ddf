import { optionalText, text } from "../parsers.ts";
import { setting } from "../setting.ts";

/** Gunicorn's; it stands for the name of the application. */
export const DEFAULT_PROC_NAME = "gunicorn";

export const processNamingSettings = [
  setting({
    name: "proc_name",
    section: "Process Naming",
    flags: ["--name", "-n"],
    metavar: "NAME",
    defaultValue: null,
    parse: optionalText,
    doc: `Name of this server in the process list; by default that of the application.

ps shows tunicorn: master [NAME], and likewise the router, the mold and the workers. On Linux this needs no
setproctitle, but a title is cut to the length of the original command line.`,
  }),
  setting({
    name: "default_proc_name",
    section: "Process Naming",
    flags: [],
    metavar: null,
    defaultValue: DEFAULT_PROC_NAME,
    parse: text,
    doc: `The name to use instead of the application's when proc_name is not set.`,
  }),
] as const;
