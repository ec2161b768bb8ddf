/** What arbiter and router say to each other, over the IPC channel of the child process. */
import type { WorkerClass } from "../config/worker-class.ts";
import type { HttpLimits } from "../http/limits.ts";
import type { HttpPolicy } from "../http/policy.ts";
import type { LogSettings } from "../log/log-settings.ts";
import type { MetricsSettings } from "../metrics/metrics-settings.ts";
import type { ConnectionTimeouts } from "../http/connection-options.ts";
import type { TlsSettings } from "../http/tls-settings.ts";

/** A listening socket of the arbiter, whose handle comes with the message that names it. */
export interface InheritedListener {
  /** By which arbiter and router speak of it: the arbiter's descriptor. */
  readonly id: number;
  /** As people write it: `http://127.0.0.1:8000`, `unix:/run/app.sock`. */
  readonly url: string;
  /** SERVER_NAME and SERVER_PORT for its requests; null for a unix socket, where Host says it. */
  readonly serverName: string | null;
  readonly serverPort: string | null;
  readonly backlog: number;
}

/** How much a router takes on before it says no. */
export interface Capacity {
  /** Of one request body. */
  readonly bodyBytes: number;
  readonly connections: number;
  /** Complete requests that wait for a worker. */
  readonly queuedRequests: number;
  /** How long one may wait. */
  readonly queueMs: number;
  /** Of all bodies in passing; above it they go to files. */
  readonly memoryBytes: number;
  /** Of all responses that wait for slow clients in files. */
  readonly diskBytes: number;
}

/** What the router has to know of the application. */
export interface ApplicationSettings extends WorkerClass {
  /** root_path of an ASGI scope, in UTF-8 octets: the prefix under which the application is mounted. */
  readonly rootPath: string;
  /** The client is whom trusted X-Forwarded-For fields name, as uvicorn does it. */
  readonly takesForwardedClient: boolean;
}

/** Times in milliseconds; Infinity does not survive JSON, so the largest whole number means for ever. */
export interface WebSocketSettings {
  /** Of a message; 0: any number. */
  readonly maxMessageBytes: number;
  /** That a client may send in a second; 0: any number. */
  readonly maxMessagesPerSecond: number;
  /** permessage-deflate is offered. */
  readonly compresses: boolean;
  /** From one ping to the next. */
  readonly pingMs: number;
  /** For the answer to a ping. */
  readonly pongMs: number;
}

/** The settings that a router needs, already validated. */
export interface RouterSettings extends LogSettings {
  /** Where bodies go that are too large for memory (`tmp_upload_dir`); null: beside the workers' socket. */
  readonly bodyDirectory: string | null;
  /** Null: no metrics are sent. */
  readonly metrics: MetricsSettings | null;
  /** What ps shows. */
  readonly processTitle: string;
  readonly application: ApplicationSettings;
  readonly webSockets: WebSocketSettings;
  readonly limits: HttpLimits;
  readonly policy: HttpPolicy;
  readonly capacity: Capacity;
  readonly timeouts: ConnectionTimeouts;
  /** Of all listeners; null: they speak without TLS. */
  readonly tls: TlsSettings | null;
  /** Time a worker may take for one request (`timeout`); 0: no limit. */
  readonly workerTimeoutMs: number;
  readonly gracefulTimeoutMs: number;
  /** Addresses and CIDR ranges, or `*` (`forwarded_allow_ips`). */
  readonly forwardedAllowIps: readonly string[];
  /** Of every answer (`server_header`); empty: none has one. */
  readonly serverHeader: string;
  /** Header names with underscores, in upper case, that trusted peers may set, or `*` (`forwarder_headers`). */
  readonly forwarderHeaders: readonly string[];
  /** What happens to other header names with underscores (`header_map`). */
  readonly headerMap: "drop" | "refuse" | "dangerous";
  readonly proxyProtocol: "off" | "v1" | "v2" | "auto";
  readonly proxyAllowIps: readonly string[];
  readonly protocol: "http" | "uwsgi";
  readonly uwsgiAllowIps: readonly string[];
  /** Header name in lower case to the value that means https (`secure_scheme_headers`). */
  readonly secureSchemeHeaders: Readonly<Record<string, string>>;
  /** SCRIPT_NAME of every request: the prefix under which the application is mounted. */
  readonly scriptName: string;
}

/** What a router is told when it starts. */
export interface RouterStart {
  readonly type: "start";
  /** Its number among those of the server. */
  readonly router: number;
  readonly settings: RouterSettings;
  /** It was started before the settings named one. */
  readonly workingFolder: string;
  /** Path of the socket on which workers dial. */
  readonly channelPath: string;
  /** The ring of the shared queue; null: requests go over the channels. */
  readonly ringPath: string | null;
  readonly generation: number;
  /** The FIFO from which the generation's workers pull; null: they do not pull. */
  readonly tokensPath: string | null;
  /** What to remove if the arbiter is killed. */
  readonly leftovers: Leftovers;
}

/** The file of a unix socket. */
export interface SocketFile {
  readonly path: string;
  /** Tells it from the file that a later server has put in its place: an inode alone is soon used again. */
  readonly identity: string;
}

/** Files that the arbiter owns; whoever outlives it removes them. */
export interface Leftovers {
  readonly arbiterPid: number;
  readonly runtimeDirectory: string;
  /** Of the shared queue, or null. */
  readonly queueDirectory: string | null;
  readonly pidfile: string | null;
  readonly sockets: readonly SocketFile[];
}

export type ArbiterToRouter =
  | RouterStart
  | { readonly type: "configure"; readonly settings: RouterSettings }
  /** Requests go to this generation from now on; older workers finish and leave. */
  | { readonly type: "activate"; readonly generation: number; readonly tokensPath: string | null }
  | { readonly type: "retire-worker"; readonly worker: number }
  /** Listen on a further socket, whose handle comes along, and say whether you do. */
  | { readonly type: "open-listener"; readonly listener: InheritedListener }
  /** Another handle of a listener that is open: more is accepted from it at once. Nothing is answered. */
  | { readonly type: "widen-listener"; readonly id: number }
  /** Take in what waits in their backlogs, close them, and say so. */
  | { readonly type: "close-listeners"; readonly ids: readonly number[] }
  /** Close the listeners and say when everything is answered. At a handover others serve the backlogs. */
  | { readonly type: "drain"; readonly isHandover: boolean }
  /** No request will come any more: the workers are to leave. */
  | { readonly type: "retire-workers" }
  /** Exit now. */
  | { readonly type: "stop" }
  | { readonly type: "reopen-logs" }
  /** Answer at once: the arbiter looks whether the router is well. */
  | { readonly type: "ping" }
  /** What is to be removed if the arbiter is killed has changed. */
  | { readonly type: "leftovers"; readonly leftovers: Leftovers };

/** A request as a log line names it. */
export interface RequestSummary {
  readonly method: string;
  readonly target: string;
  readonly ageMs: number;
}

/** A worker that multiplexes has not shown for too long that its event loop turns. */
export interface WorkerSilence {
  readonly silentMs: number;
  /** Requests that it has. */
  readonly count: number;
  /** Some of them, those begun last first. */
  readonly requests: readonly RequestSummary[];
}

export type RouterToArbiter =
  /** Workers can dial; the listeners for clients are opened next. */
  | { readonly type: "listening" }
  /** It cannot do what "start" says. */
  | { readonly type: "failed"; readonly message: string }
  /** The listener is served, or cannot be because of `error`. */
  | { readonly type: "listener-opened"; readonly error: string | null }
  | { readonly type: "listeners-closed" }
  | { readonly type: "worker-ready"; readonly worker: number }
  /** The worker asked to leave (TERM was sent to it); it serves until it is retired. */
  | { readonly type: "worker-leaving"; readonly worker: number }
  /** The worker's channel broke; `request` is what it was busy with. */
  | {
      readonly type: "worker-lost";
      readonly worker: number;
      readonly request: RequestSummary | null;
      /** Requests that it had beside that one. */
      readonly others: number;
    }
  | { readonly type: "worker-silent"; readonly worker: number; readonly silence: WorkerSilence }
  | { readonly type: "worker-timeout"; readonly worker: number; readonly request: RequestSummary }
  | { readonly type: "drained" }
  | { readonly type: "pong" };
