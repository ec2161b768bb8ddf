import { statsdHost, syslogAddress } from "../log-addresses.ts";
import { boolean, dictionary, logLevel, oneOf, optionalText, text, textOrNone } from "../parsers.ts";
import { setting } from "../setting.ts";

const facilities = [
  ...[
    "auth",
    "authpriv",
    "cron",
    "daemon",
    "ftp",
    "kern",
    "lpr",
    "mail",
    "news",
    "security",
    "syslog",
    "user",
  ],
  ...["uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
] as const;

/** Where the system's own syslog server listens. */
const SYSTEM_SYSLOG = process.platform === "darwin" ? "unix:///var/run/syslog" : "udp://localhost:514";

export const loggingSettings = [
  setting({
    name: "accesslog",
    section: "Logging",
    flags: ["--access-logfile"],
    metavar: "FILE",
    defaultValue: null,
    parse: optionalText,
    doc: `File for one line per request; - is standard output. Without it there is no access log.`,
  }),
  setting({
    name: "disable_redirect_access_to_syslog",
    section: "Logging",
    flags: ["--disable-redirect-access-to-syslog"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Keep the access log out of syslog; the error log goes there alone.`,
  }),
  setting({
    name: "access_log_format",
    section: "Logging",
    flags: ["--access-logformat"],
    metavar: "FORMAT",
    defaultValue: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
    parse: text,
    doc: `The format of a line in the access log.

h peer address, u user, t time, r request line, m method, U path, q query, H protocol, s status, B and b body
bytes, f referer, a user agent, T M D L duration in seconds, milliseconds, microseconds and decimal seconds,
p process id, {name}i request header, {name}o response header, {name}e environ entry. See docs/logging.md.`,
  }),
  setting({
    name: "access_log_json",
    section: "Logging",
    flags: ["--access-log-json"],
    metavar: null,
    defaultValue: false,
    isOwn: true,
    parse: boolean,
    doc: `Make each line of the access log a JSON object, in place of access_log_format.

The atoms {name}i, {name}o and {name}e of access_log_format become additional members. Without accesslog there
is no access log. docs/logging.md lists the members.`,
  }),
  setting({
    name: "errorlog",
    section: "Logging",
    flags: ["--error-logfile", "--log-file"],
    metavar: "FILE",
    defaultValue: "-",
    parse: text,
    doc: `File for all other messages of the server; - is standard error.`,
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

What the application writes to wsgi.errors becomes such lines too. docs/logging.md lists the members.`,
  }),
  setting({
    name: "loglevel",
    section: "Logging",
    flags: ["--log-level"],
    metavar: "LEVEL",
    defaultValue: "info",
    parse: logLevel,
    doc: `The least severe messages that the error log takes: debug, info, warning, error or critical.`,
  }),
  setting({
    name: "capture_output",
    section: "Logging",
    flags: ["--capture-output"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Write the application's standard output and standard error to the error log's file.

With errorlog = "-" there is no file, and both stay as they are.`,
  }),
  setting({
    name: "logger_class",
    section: "Logging",
    flags: ["--logger-class"],
    metavar: "CLASS",
    defaultValue: "gunicorn.glogging.Logger",
    parse: text,
    doc: `Class of the loggers that the Python processes use: package.module.Class, or simple for the default.

Derive it from gunicorn.glogging.Logger; where Gunicorn is not installed, tunicorn has one of that name. Its
access() is called in the log process, when the request is over.`,
  }),
  setting({
    name: "logconfig",
    section: "Logging",
    flags: ["--log-config"],
    metavar: "FILE",
    defaultValue: null,
    parse: optionalText,
    doc: `An .ini file that configures Python's logging; the loggers are gunicorn.error and gunicorn.access.

Its handlers get all records of all processes; those that are not made in Python are sent to the log process.`,
  }),
  setting({
    name: "logconfig_dict",
    section: "Logging",
    flags: [],
    metavar: null,
    defaultValue: {},
    parse: dictionary,
    doc: `A dictionary that configures Python's logging, for logging.config.dictConfig().

It wins over logconfig_json and logconfig. For keys that it leaves out at its top level, Gunicorn's own are
used.`,
  }),
  setting({
    name: "logconfig_json",
    section: "Logging",
    flags: ["--log-config-json"],
    metavar: "FILE",
    defaultValue: null,
    parse: optionalText,
    doc: `A JSON file that configures Python's logging, in the form of logconfig_dict. It wins over logconfig.`,
  }),
  setting({
    name: "syslog_addr",
    section: "Logging",
    flags: ["--log-syslog-to"],
    metavar: "ADDRESS",
    defaultValue: SYSTEM_SYSLOG,
    parse: syslogAddress,
    doc: `Where the syslog server listens: unix://PATH, udp://HOST:PORT or tcp://HOST:PORT; the port may be left out.

unix://PATH#stream and unix://PATH#dgram name the kind of socket; without it both are tried.`,
  }),
  setting({
    name: "syslog",
    section: "Logging",
    flags: ["--log-syslog"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Send both logs to syslog too. If the syslog server is down, lines are lost and nothing else happens.`,
  }),
  setting({
    name: "syslog_prefix",
    section: "Logging",
    flags: ["--log-syslog-prefix"],
    metavar: "PREFIX",
    defaultValue: null,
    parse: optionalText,
    doc: `Name in the syslog tags gunicorn.PREFIX.error and gunicorn.PREFIX.access; the process name by default.`,
  }),
  setting({
    name: "syslog_facility",
    section: "Logging",
    flags: ["--log-syslog-facility"],
    metavar: "FACILITY",
    defaultValue: "user",
    parse: oneOf(facilities),
    doc: `Syslog facility: user, daemon, local0 to local7 and the others that syslog knows.`,
  }),
  setting({
    name: "enable_stdio_inheritance",
    section: "Logging",
    flags: ["--enable-stdio-inheritance", "-R"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `A daemon keeps the standard output and error of the command, unless they are a terminal.`,
  }),
  setting({
    name: "statsd_host",
    section: "Logging",
    flags: ["--statsd-host"],
    metavar: "ADDRESS",
    defaultValue: null,
    parse: statsdHost,
    doc: `Where a statsd server gets metrics: HOST, HOST:PORT (8125 by default) or unix://PATH.

The metrics are Gunicorn's; docs/logging.md lists them.`,
  }),
  setting({
    name: "dogstatsd_tags",
    section: "Logging",
    flags: ["--dogstatsd-tags"],
    metavar: "TAGS",
    defaultValue: "",
    parse: textOrNone,
    doc: `Tags for all metrics, in DogStatsD's form: name:value, separated by commas.`,
  }),
  setting({
    name: "statsd_prefix",
    section: "Logging",
    flags: ["--statsd-prefix"],
    metavar: "PREFIX",
    defaultValue: "",
    parse: textOrNone,
    doc: `Prefix for the names of all metrics; a dot is added after it.`,
  }),
  setting({
    name: "enable_backlog_metric",
    section: "Logging",
    flags: ["--enable-backlog-metric"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Send the metric gunicorn.backlog once a second: how many clients wait for a worker (Linux).`,
  }),
] as const;
