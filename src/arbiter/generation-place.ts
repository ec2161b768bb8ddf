import type { Settings } from "../config/settings/all.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { LogProcessUse } from "../log/log-settings.ts";
import type { Leftovers } from "../router/messages.ts";
import type { ArbiterToMold } from "./mold-messages.ts";

type PlaceMessage = Omit<
  Extract<ArbiterToMold, { type: "configure" }>,
  "type" | "settings" | "workerClass" | "generation"
>;

/** What a mold is told before it loads the application. */
export interface GenerationPlace {
  readonly log: ErrorLog;
  /** The log process that the mold is to start; null: none. */
  readonly logProcess: LogProcessUse | null;
  /** Error log of the Python processes, where it is not that of the settings. */
  readonly errorLog?: string;
  /** Where its workers dial the routers. */
  readonly channelPaths: readonly string[];
  /** The FIFO from which its workers pull, which the mold makes; null: they do not pull. */
  readonly tokensPath: string | null;
  /** What the mold removes if the arbiter is killed. */
  readonly leftovers: Leftovers;
}

/** The same, as the mold is told. */
export function describePlace(
  { errorLog, logProcess, channelPaths, tokensPath, leftovers }: GenerationPlace,
  settings: Settings,
): PlaceMessage {
  return {
    errorLog: errorLog ?? settings.errorlog,
    logProcess,
    arbiterPid: process.pid,
    channelPaths,
    tokensPath,
    runtimeDirectory: leftovers.runtimeDirectory,
    queueDirectory: leftovers.queueDirectory,
    pidfile: leftovers.pidfile,
  };
}
