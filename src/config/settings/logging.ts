import { boolean, logLevel, optionalText, text } from "../parsers.ts";
import { setting } from "../setting.ts";

export const loggingSettings = [
  setting({
    name: "accesslog",
    section: "Logging",
    flags: ["--access-logfile"],
    metavar: "FILE",
    defaultValue: null,
    parse: optionalText,
    doc: `File for one line a request; - is standard output. Without it there is no access log.`,
  }),
  setting({
    name: "access_log_format",
    section: "Logging",
    flags: ["--access-logformat"],
    metavar: "FORMAT",
    defaultValue: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
    parse: text,
    doc: `What a line of the access log holds.

h peer address, u user, t time, r request line, m method, U path, q query, H protocol, s status, B and b body
bytes, f referer, a user agent, T M D L duration in seconds, milliseconds, microseconds and decimal seconds,
p process id, {name}i request header, {name}o response header, {name}e environ entry.`,
  }),
  setting({
    name: "access_log_json",
    section: "Logging",
    flags: ["--access-log-json"],
    metavar: null,
    defaultValue: false,
    isOwn: true,
    parse: boolean,
    doc: `Make each line of the access log a JSON object, instead of access_log_format.

Atoms {name}i, {name}o and {name}e of access_log_format become further members. It says how, not where: without
accesslog there is no access log. The members are listed in docs/logging.md.`,
  }),
  setting({
    name: "errorlog",
    section: "Logging",
    flags: ["--error-logfile", "--log-file"],
    metavar: "FILE",
    defaultValue: "-",
    parse: text,
    doc: `File for everything else that the server has to say; - is standard error.`,
  }),
  setting({
    name: "error_log_json",
    section: "Logging",
    flags: ["--error-log-json"],
    metavar: null,
    defaultValue: false,
    isOwn: true,
    parse: boolean,
    doc: `Make each line of the error log a JSON object.

What the application writes to wsgi.errors becomes such lines too. The members are listed in docs/logging.md.`,
  }),
  setting({
    name: "loglevel",
    section: "Logging",
    flags: ["--log-level"],
    metavar: "LEVEL",
    defaultValue: "info",
    parse: logLevel,
    doc: `What the error log leaves out: debug, info, warning, error or critical, from all to little.`,
  }),
  setting({
    name: "enable_stdio_inheritance",
    section: "Logging",
    flags: ["--enable-stdio-inheritance", "-R"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `A daemon keeps the standard output and error of the command, where they are no terminal.`,
  }),
] as const;
