import type { Interface } from "../works/work.ts";

export interface Paths {
  readonly root: string;
  /** Another built checkout of tunicorn, for before and after. */
  readonly base: string | undefined;
  readonly python: string;
  /** The Node that runs tunicorn, base and the limits. */
  readonly node: string;
  /** Further arguments for tunicorn and base, such as other numbers of routers. */
  readonly tunicornArguments: readonly string[];
}

export interface Launch {
  readonly paths: Paths;
  readonly speaks: Interface;
  readonly app: string;
  readonly port: number;
  readonly workers: number;
  /** Of each worker, for servers that have threads. */
  readonly threads: number;
  readonly accessLogFile: string;
}

/** How many requests a worker has at once, and by what means; ratios are made within a class. */
export type WorkerClass = "sync" | "gthread" | "gevent" | "asgi";

interface Common {
  readonly name: string;
  readonly speaks: Interface;
  command(launch: Launch): readonly string[];
  /** Prints the version; a server whose command fails is left out. */
  versionCommand(paths: Paths): readonly string[];
}

/** tunicorn, of this checkout ("subject") or of another ("base"). */
export interface Tunicorn extends Common {
  readonly type: "subject" | "base";
  readonly workerClass: WorkerClass;
  /** Fails where the checkout does not have the class. */
  checkCommand(paths: Paths): readonly string[];
  readonly accessLog: "file";
}

export interface Peer extends Common {
  readonly type: "peer";
  readonly workerClass: WorkerClass | undefined;
  /** Where its access log goes: to `Launch.accessLogFile` by its own means, or as its standard output. */
  readonly accessLog: "file" | "stdout";
}

/** Not a server to compare with, but what no server can do better; it writes no access log. */
export interface Limit extends Common {
  readonly type: "limit";
  readonly accessLog: "none";
  /** Whether it answers on the port; otherwise it calls the application itself and prints what it counted. */
  readonly isServer: boolean;
}

export type Server = Tunicorn | Peer | Limit;
