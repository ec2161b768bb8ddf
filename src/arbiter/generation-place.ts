import type { ErrorLog } from "../log/error-log.ts";
import type { LogProcessUse } from "../log/log-settings.ts";
import type { Leftovers } from "../router/messages.ts";

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
