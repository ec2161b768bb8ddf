import { optionalText, text } from "../parsers.ts";
import { setting } from "../setting.ts";

export const DEFAULT_CONFIG_FILE = "./gunicorn.conf.py";

export const configFileSettings = [
  setting({
    name: "config",
    section: "Config File",
    flags: ["--config", "-c"],
    metavar: "CONFIG",
    defaultValue: DEFAULT_CONFIG_FILE,
    parse: text,
    doc: `The configuration file, which is Python code: PATH, file:PATH or python:MODULE.

Without this flag, ./gunicorn.conf.py is read if it exists. The file is run by the interpreter that runs the
application. The setting has an effect only on the command line and in GUNICORN_CMD_ARGS.`,
  }),
  setting({
    name: "wsgi_app",
    section: "Config File",
    flags: [],
    metavar: null,
    defaultValue: null,
    parse: optionalText,
    doc: `The application, if the command line does not name one: MODULE, MODULE:NAME or MODULE:FACTORY().`,
  }),
] as const;
