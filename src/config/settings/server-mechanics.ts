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
} from "../parsers.ts";
import { workingFolder } from "../../system/working-folder.ts";
import { setting, WantedError } from "../setting.ts";

const proxyProtocolVersion = oneOf(["off", "v1", "v2", "auto"]);

/** Gunicorn's older files say True and False; the flag without a value means True. */
function parseProxyProtocol(input: unknown): "off" | "v1" | "v2" | "auto" {
  if (typeof input === "boolean") return input ? "auto" : "off";
  return proxyProtocolVersion(input);
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
then shared by all workers. A reload imports it anew.`,
  }),
  setting({
    name: "reuse_port",
    section: "Server Mechanics",
    flags: ["--reuse-port"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Bind TCP addresses with SO_REUSEPORT: several servers of one user may then listen at the same port.

The kernel deals new connections out among them. Gunicorn uses it so that each worker has a socket of its own;
here it is for servers beside each other, such as an old and a new release. Connections that wait in the backlog
of a server that is killed are lost, whoever else listens there.`,
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
    doc: `Whether the router reads a file itself that is wrapped in wsgi.file_wrapper; the flag turns it off.

The worker is free at once then, whatever the client's speed. Without it, and always for workers of another user,
the file goes through the worker, as any other body. None means True. To ASGI applications True alone offers
http.response.pathsend, which middleware for compression passes by or does not know.`,
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

The command waits until all workers are ready, or says why they cannot be. The log needs a file: standard output
and error go nowhere, unless enable_stdio_inheritance says otherwise. The configuration file is run once, in a
process that goes on as part of the daemon. Not for systemd, docker or supervisord, which do this themselves.`,
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
    doc: `File for the arbiter's process id. Starting is refused while the process that it names lives.`,
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
    doc: `Folder on a memory file system (tmpfs) for the shared queue, from which idle workers pull requests.

It takes about 2 MiB. Uploads of 64 KiB to 4 MiB take up to a quarter of what was free there, at most 64 MiB for
each router, and give it back when there were none for a while. Where the folder is not there, is no memory file
system or is full, requests go to the workers over their channels, which is slower; the log says so. When somebody
removes the queue under a running server, as RemoveIPC of systemd-logind does at a logout, the server goes on; a
later reload makes it use channels.`,
  }),
  setting({
    name: "tmp_upload_dir",
    section: "Server Mechanics",
    flags: [],
    metavar: null,
    defaultValue: null,
    parse: (input) => (input === null ? null : existingFolder(input)),
    doc: `Folder for bodies that are too large for memory; without it, the directory in worker_tmp_dir.

For a worker_tmp_dir in memory, such as /dev/shm in a container. The user of the router must be able to write to
it. On Linux the files have no names; elsewhere they are removed when they are done with.`,
  }),
  setting({
    name: "root_path",
    section: "Server Mechanics",
    flags: ["--root-path"],
    metavar: "PATH",
    defaultValue: "",
    parse: (input) => text(input).replace(/\/+$/, ""),
    doc: `The path under which an ASGI application is mounted, such as /api: root_path in its scope.

The scope's path begins with it, as ASGI wants, whether or not a proxy in front takes it off. WSGI
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
    doc: `Headers, with the value of each, by which a trusted proxy says that its client came by https.

Two that contradict each other get 400. From peers outside forwarded_allow_ips they mean nothing.`,
  }),
  setting({
    name: "forwarded_allow_ips",
    section: "Server Mechanics",
    flags: ["--forwarded-allow-ips"],
    metavar: "ADDRESSES",
    defaultValue: ["127.0.0.1", "::1"],
    environment: { variable: "FORWARDED_ALLOW_IPS", toValue: (addresses) => addresses },
    parse: networkList,
    doc: `Peers whose scheme headers count: addresses and CIDR ranges with commas between, or * for all.

* lets any client claim https; it is right only where nobody but the proxy can connect. Peers on a unix
socket are always trusted.`,
  }),
  setting({
    name: "forwarder_headers",
    section: "Server Mechanics",
    flags: ["--forwarder-headers"],
    metavar: "NAMES",
    defaultValue: ["SCRIPT_NAME", "PATH_INFO"],
    parse: (input) => commaList(input).map((name) => name.toUpperCase()),
    doc: `Header names with underscores that trusted peers may set, with commas between, or * for all.

SCRIPT_NAME says under which path the application is mounted. Peers are those of forwarded_allow_ips.`,
  }),
  setting({
    name: "header_map",
    section: "Server Mechanics",
    flags: ["--header-map"],
    metavar: "WHAT",
    defaultValue: "drop",
    parse: oneOf(["drop", "refuse", "dangerous"]),
    doc: `Other header names with underscores: drop them, refuse the request, or let them through.

X_User and X-User have the same environ name, so a client could overwrite what a proxy has set: dangerous.`,
  }),
  setting({
    name: "proxy_protocol",
    section: "Server Mechanics",
    flags: ["--proxy-protocol"],
    metavar: "[VERSION]",
    defaultValue: "off",
    parse: parseProxyProtocol,
    doc: `Connections begin with a PROXY protocol preamble: off, v1, v2, or auto for either.

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
    doc: `What is spoken on the listening sockets: http, or uwsgi as nginx's uwsgi_pass sends it.`,
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
    doc: `What the Server field of every answer says; empty text: no answer has one.

A configuration file may also say it as for Gunicorn, by \`gunicorn.SERVER = "..."\`. An application may not: what
it sends as Server is dropped, as by Gunicorn.`,
  }),
  setting({
    name: "pythonpath",
    section: "Server Mechanics",
    flags: ["--pythonpath"],
    metavar: "FOLDERS",
    defaultValue: null,
    parse: optionalText,
    doc: `Folders, with commas between, that are put on the application's Python path.`,
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

Without it: the one that tunicorn was installed in by pip, else that of $VIRTUAL_ENV, else of .venv in the
working folder, else python3 on the PATH. Has no effect in the configuration file, which it reads.`,
  }),
] as const;
