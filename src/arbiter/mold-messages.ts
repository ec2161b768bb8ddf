/** What arbiter and mold say to each other: one JSON object a line. The other end is python/tunicorn/control.py. */
import type { SecureVersion } from "node:tls";
import { TunicornError } from "../errors.ts";
import type { LogProcessUse } from "../log/log-settings.ts";

export type ArbiterToMold =
  | {
      readonly type: "read-config";
      readonly location: string;
      readonly settingNames: readonly string[];
      /** The hooks by name, with the names of their arguments. */
      readonly hookParameters: Readonly<Record<string, readonly string[]>>;
    }
  /** Of the user's own: a dotted path, or `egg:PACKAGE#NAME`. */
  | {
      readonly type: "find-worker-class";
      readonly name: string;
      readonly chdir: string;
      readonly pythonpath: string | null;
    }
  /** The hook ssl_context is to be called. */
  | { readonly type: "make-tls-context"; readonly settings: Readonly<Record<string, unknown>> }
  | {
      readonly type: "configure";
      readonly settings: Readonly<Record<string, unknown>>;
      /** The worker class as people name it. */
      readonly workerClass: string;
      readonly errorLog: string;
      /** The log process that the mold is to start; or null. */
      readonly logProcess: LogProcessUse | null;
      readonly arbiterPid: number;
      readonly channelPaths: readonly string[];
      /** The FIFO of the shared queue, to be made; null: workers get their requests over their channels. */
      readonly tokensPath: string | null;
      readonly runtimeDirectory: string;
      /** Of the shared queue, or null; removed with the runtime directory. */
      readonly queueDirectory: string | null;
      /** Removed with the runtime directory if the arbiter is killed; or null. */
      readonly pidfile: string | null;
      readonly generation: number;
    }
  | { readonly type: "load" }
  /** The session and terminal of the command are to be left, and these output streams. */
  | { readonly type: "detach"; readonly silent: readonly (1 | 2)[] }
  | { readonly type: "hook"; readonly hook: string }
  /** How many workers are wanted; answered with hook-done for nworkers_changed. */
  | { readonly type: "workers"; readonly wanted: number; readonly before: number | null }
  | { readonly type: "fork"; readonly worker: number }
  | { readonly type: "signal"; readonly worker: number; readonly signal: NodeJS.Signals }
  | { readonly type: "reopen-logs" }
  | { readonly type: "stop" };

/** What the context of the hook ssl_context asks for. */
export interface TlsContext {
  /** What its load_cert_chain() was called with, paths absolute; null: certfile and keyfile hold. */
  readonly chain: {
    readonly certfile: string;
    readonly keyfile: string | null;
    readonly password: string | null;
  } | null;
  /** Who may sign certificates of clients, in PEM; null: nobody was named. */
  readonly authorities: string | null;
  /** As cert_reqs. */
  readonly verifyMode: 0 | 1 | 2;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** For TLS 1.2, if they are others than Python's; or null. */
  readonly ciphers: string | null;
}

export type MoldToArbiter =
  | { readonly type: "hello"; readonly pid: number; readonly python: string; readonly executable: string }
  | {
      readonly type: "config";
      readonly values: Readonly<Record<string, unknown>>;
      readonly hooks: readonly string[];
      /** Unknown names that look like a slip, with the name that was probably meant. */
      readonly slips: Readonly<Record<string, string>>;
      /** Settings and hooks that are only annotated, which sets nothing. */
      readonly annotated: readonly string[];
    }
  | { readonly type: "config-failed"; readonly message: string }
  | {
      readonly type: "worker-class";
      /** The known class that it derives from. */
      readonly base: string;
      /** Its CONFIG_KWARGS. */
      readonly kwargs: Readonly<Record<string, unknown>>;
      readonly warnings: readonly string[];
    }
  | { readonly type: "worker-class-failed"; readonly message: string }
  | { readonly type: "tls-context"; readonly context: TlsContext }
  | { readonly type: "tls-context-failed"; readonly message: string }
  /** The ids of the settings user and group; null: as the arbiter. */
  | { readonly type: "configured"; readonly uid: number | null; readonly gid: number | null }
  | { readonly type: "configure-failed"; readonly message: string }
  | { readonly type: "loaded" }
  | { readonly type: "detached" }
  | { readonly type: "load-failed"; readonly message: string; readonly exitStatus: number }
  | {
      readonly type: "hook-done";
      readonly hook: string;
      readonly error: string | null;
      /** How many threads it has left running. */
      readonly threads: number;
    }
  /** A signal that the application sent to the parent of its worker, or somebody to the whole process group. */
  | { readonly type: "signalled"; readonly signal: NodeJS.Signals }
  | { readonly type: "forked"; readonly worker: number; readonly pid: number }
  | {
      readonly type: "worker-exited";
      readonly worker: number;
      readonly pid: number;
      readonly status: number;
      /** Signal that ended it, or null. */
      readonly signal: string | null;
      /** Why it could not boot, or null. */
      readonly report: string | null;
    };

export type WorkerExited = Extract<MoldToArbiter, { type: "worker-exited" }>;

const types: ReadonlySet<string> = new Set<MoldToArbiter["type"]>([
  "hello",
  "config",
  "config-failed",
  "worker-class",
  "worker-class-failed",
  "tls-context",
  "tls-context-failed",
  "configured",
  "configure-failed",
  "loaded",
  "detached",
  "load-failed",
  "hook-done",
  "signalled",
  "forked",
  "worker-exited",
]);

/** Reads one line of the mold. The mold is ours and of the same version: its type is checked, its fields are trusted. */
export function parseMoldMessage(line: string): MoldToArbiter {
  const value: unknown = JSON.parse(line);
  if (!isMoldMessage(value)) throw new TunicornError("ERR_PROTOCOL", `The mold sent ${line.slice(0, 200)}`);
  return value;
}

function isMoldMessage(value: unknown): value is MoldToArbiter {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    typeof value.type === "string" &&
    types.has(value.type)
  );
}
