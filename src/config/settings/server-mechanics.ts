import { tmpdir } from "node:os";
import {
  boolean,
  commaList,
  environmentList,
  existingFolder,
  networkList,
  oneOf,
  optionalText,
  text,
  textMapping,
  textOrNone,
} from "../parsers.ts";
import { workingFolder } from "../../system/working-folder.ts";
import { setting, WantedError } from "../setting.ts";

const proxyProtocolVersion = oneOf(["off", "v1", "v2", "auto"]);

/** What Gunicorn takes for on and off besides, as texts that come from the environment. */
const PROXY_PROTOCOL_WORDS: ReadonlyMap<unknown, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
  ["none", false],
]);

/** Gunicorn's older files say True and False; the flag without a value means True. */
function parseProxyProtocol(input: unknown): "off" | "v1" | "v2" | "auto" {
  const said = typeof input === "string" ? PROXY_PROTOCOL_WORDS.get(input.trim().toLowerCase()) : input;
  if (typeof said === "boolean") return said ? "auto" : "off";
  return input === null ? "off" : proxyProtocolVersion(input);
}

function parseServerHeader(input: unknown): string {
  const value = text(input);
  if (!/^[ -~]*$/.test(value)) throw new WantedError("text of visible ASCII characters and spaces");
  return value;
}

/** Everything else in SENDFILE means no. */
const SENDFILE_WORDS: ReadonlySet<string> = new Set(["y", "1", "yes", "true"]);

export const serverMechanicsSettings = [
  setting({
    name: "preload_app",
    section: "Server Mechanics",
    flags: ["--preload"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Import the application once, before the workers are forked.

It saves memory and boot time. Connections and threads that the application opens while it is imported are
shared by all workers. A reload imports it again.`,
  }),
  setting({
    name: "reuse_port",
    section: "Server Mechanics",
    flags: ["--reuse-port"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Bind TCP addresses with SO_REUSEPORT, so that several servers of one user may listen at the same port.

The kernel distributes new connections among them. Gunicorn uses it to give each worker a socket of its own;
here it is for servers side by side, such as an old and a new release. When one of the servers is killed, the
connections in its backlog are lost, even if others listen there.`,
  }),
  setting({
    name: "sendfile",
    section: "Server Mechanics",
    flags: ["--no-sendfile"],
    metavar: null,
    switchValue: false,
    defaultValue: null,
    environment: { variable: "SENDFILE", toValue: (word) => SENDFILE_WORDS.has(word.trim().toLowerCase()) },
    parse: (input) => (input === null ? null : boolean(input)),
    doc: `Whether the router itself reads files that are wrapped in wsgi.file_wrapper; the flag turns it off.

The worker is then free at once, however slow the client is. Otherwise, and always when the workers run as
another user, the file goes through the worker like any other body. None means True. ASGI applications are
offered http.response.pathsend only with True, since some compression middleware does not know it.`,
  }),
  setting({
    name: "chdir",
    section: "Server Mechanics",
    flags: ["--chdir"],
    metavar: "FOLDER",
    defaultValue: workingFolder(process.env),
    parse: existingFolder,
    doc: `Folder to change to before the application is imported; it comes first on its Python path.`,
  }),
  setting({
    name: "daemon",
    section: "Server Mechanics",
    flags: ["--daemon", "-D"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Serve in the background, in a session of its own, without a terminal.

The command waits until all workers are ready, or says why they cannot be. Give the log a file: standard
output and error go nowhere, unless enable_stdio_inheritance is set. The configuration file is run once, in a
process that becomes part of the daemon. Do not use it with systemd, docker or supervisord, which do this
themselves.`,
  }),
  setting({
    name: "raw_env",
    section: "Server Mechanics",
    flags: ["--env", "-e"],
    metavar: "NAME=VALUE",
    isRepeatable: true,
    defaultValue: [],
    parse: environmentList,
    doc: `An environment variable for the application. May be given several times.`,
  }),
  setting({
    name: "pidfile",
    section: "Server Mechanics",
    flags: ["--pid", "-p"],
    metavar: "FILE",
    defaultValue: null,
    parse: optionalText,
    doc: `File for the arbiter's process id. The server refuses to start while the process that it names is running.`,
  }),
  setting({
    name: "worker_tmp_dir",
    section: "Server Mechanics",
    flags: ["--worker-tmp-dir"],
    metavar: "FOLDER",
    defaultValue: null,
    parse: (input) => (input === null ? null : existingFolder(input)),
    doc: `Folder for the private directory of the running server, with its sockets and large request bodies.

Without it the system's folder for temporary files is used (here ${tmpdir()}), or else /tmp, /var/tmp or /dev/shm, the
first that can be written to, and with user or group the first that everybody may enter. Its path must be
short: a Unix socket's path holds about 100 bytes.`,
  }),
  setting({
    name: "queue_dir",
    section: "Server Mechanics",
    flags: ["--queue-dir"],
    metavar: "FOLDER",
    isOwn: true,
    defaultValue: "/dev/shm",
    parse: text,
    doc: `Folder on a memory file system (tmpfs) for the shared queue, from which idle workers take requests.

It takes about 2 MiB. Uploads of 64 KiB to 4 MiB take up to a quarter of what was free there, at most 64 MiB
for each router, and give it back when there were none for a while. If the folder does not exist, is not on a
memory file system or is full, requests go to the workers over their channels, which is slower; the log says
so. If somebody removes the queue under a running server, as RemoveIPC of systemd-logind does at a logout, the
server goes on; a later reload makes it use channels.`,
  }),
  setting({
    name: "tmp_upload_dir",
    section: "Server Mechanics",
    flags: [],
    metavar: null,
    defaultValue: null,
    parse: (input) => (input === null ? null : existingFolder(input)),
    doc: `Folder for bodies that are too large for memory; by default the directory in worker_tmp_dir.

It is useful when worker_tmp_dir is in memory, such as /dev/shm in a container. The user that the router runs
as must be able to write there. On Linux the files have no names; elsewhere they are removed after use.`,
  }),
  setting({
    name: "root_path",
    section: "Server Mechanics",
    flags: ["--root-path"],
    metavar: "PATH",
    defaultValue: "",
    parse: (input) => textOrNone(input).replace(/\/+$/, ""),
    doc: `The path under which an ASGI application is mounted, such as /api: root_path in its scope.

The path in the scope begins with it, as ASGI requires, whether or not a proxy strips it. WSGI
applications get SCRIPT_NAME from the environment instead.`,
  }),
  setting({
    name: "secure_scheme_headers",
    section: "Server Mechanics",
    flags: [],
    metavar: null,
    defaultValue: {
      "X-FORWARDED-PROTOCOL": "ssl",
      "X-FORWARDED-PROTO": "https",
      "X-FORWARDED-SSL": "on",
    },
    parse: textMapping,
    doc: `Headers, each with a value, by which a trusted proxy says that its client used https.

A request with two that contradict each other gets 400. From peers outside forwarded_allow_ips they mean
nothing.`,
  }),
  setting({
    name: "forwarded_allow_ips",
    section: "Server Mechanics",
    flags: ["--forwarded-allow-ips"],
    metavar: "ADDRESSES",
    defaultValue: ["127.0.0.1", "::1"],
    environment: { variable: "FORWARDED_ALLOW_IPS", toValue: (addresses) => addresses },
    parse: networkList,
    doc: `Peers whose scheme headers count: addresses and CIDR ranges, separated by commas, or * for all.

With *, any client can claim https; use it only where nobody but the proxy can connect. Peers on a unix
socket are always trusted.`,
  }),
  setting({
    name: "forwarder_headers",
    section: "Server Mechanics",
    flags: ["--forwarder-headers"],
    metavar: "NAMES",
    defaultValue: ["SCRIPT_NAME", "PATH_INFO"],
    parse: (input) => commaList(input).map((name) => name.toUpperCase()),
    doc: `Header names with underscores that trusted peers may set, separated by commas, or * for all.

SCRIPT_NAME says under which path the application is mounted. Trusted peers are those of forwarded_allow_ips.`,
  }),
  setting({
    name: "header_map",
    section: "Server Mechanics",
    flags: ["--header-map"],
    metavar: "WHAT",
    defaultValue: "drop",
    parse: oneOf(["drop", "refuse", "dangerous"]),
    doc: `Other header names with underscores: drop them, refuse the request, or pass them on (dangerous).

X_User and X-User have the same name in the environ, so with dangerous a client could overwrite what a proxy
has set.`,
  }),
  setting({
    name: "proxy_protocol",
    section: "Server Mechanics",
    flags: ["--proxy-protocol"],
    metavar: "[VERSION]",
    defaultValue: "off",
    parse: parseProxyProtocol,
    doc: `Connections begin with a PROXY protocol preamble: off, v1, v2, or auto for either version.

The flag alone means auto. A connection without a preamble is refused.`,
  }),
  setting({
    name: "proxy_allow_ips",
    section: "Server Mechanics",
    flags: ["--proxy-allow-from"],
    metavar: "ADDRESSES",
    defaultValue: ["127.0.0.1", "::1"],
    parse: networkList,
    doc: `Peers that may send a PROXY preamble: addresses and CIDR ranges, or * for all. Others get 403.`,
  }),
  setting({
    name: "protocol",
    section: "Server Mechanics",
    flags: ["--protocol"],
    metavar: "NAME",
    defaultValue: "http",
    parse: oneOf(["http", "uwsgi"]),
    doc: `The protocol on the listening sockets: http, or uwsgi as nginx's uwsgi_pass sends it.`,
  }),
  setting({
    name: "uwsgi_allow_ips",
    section: "Server Mechanics",
    flags: ["--uwsgi-allow-from"],
    metavar: "ADDRESSES",
    defaultValue: ["127.0.0.1", "::1"],
    parse: networkList,
    doc: `Peers that may speak uwsgi: addresses and CIDR ranges, or * for all. Others are disconnected.`,
  }),
  setting({
    name: "server_header",
    section: "Server Mechanics",
    flags: ["--server-header"],
    metavar: "TEXT",
    defaultValue: "tunicorn",
    parse: parseServerHeader,
    isOwn: true,
    doc: `The value of the Server header in every response; an empty text leaves the header out.

The configuration file may also set it as for Gunicorn, by \`gunicorn.SERVER = "..."\`, by
\`gunicorn.http.wsgi.SERVER = "..."\`, or by a \`gunicorn.http.wsgi.Response.default_headers\` of its own. A Server
header of the application is dropped, as Gunicorn does.`,
  }),
  setting({
    name: "pythonpath",
    section: "Server Mechanics",
    flags: ["--pythonpath"],
    metavar: "FOLDERS",
    defaultValue: null,
    parse: optionalText,
    doc: `Folders, separated by commas, that are added to the application's Python path.`,
  }),
  setting({
    name: "python",
    section: "Server Mechanics",
    flags: ["--python"],
    metavar: "INTERPRETER",
    defaultValue: null,
    parse: optionalText,
    isOwn: true,
    doc: `The Python that runs the application and the configuration file; 3.10 or newer.

By default it is the one that tunicorn was installed in by pip, else that of $VIRTUAL_ENV, else of .venv in
the working folder, else python3 on the PATH. It has no effect in the configuration file, which this Python
reads.`,
  }),
] as const;
