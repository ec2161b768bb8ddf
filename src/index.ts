/** The programmatic entry: `import { run } from "tunicorn"`. docs/programmatic.md shows it. */
import { Arbiter } from "./arbiter/arbiter.ts";
import { DaemonWanted } from "./arbiter/daemon-wanted.ts";
import { takeInheritance } from "./arbiter/inherited-sockets.ts";
import { findInterpreter } from "./arbiter/interpreter.ts";
import { handleSignals } from "./arbiter/signals.ts";
import { startCommandOf } from "./arbiter/start-command.ts";
import { earlyValue, isSettingName, type Invocation } from "./config/invocation.ts";
import type { SettingName, Settings } from "./config/settings/all.ts";
import { settingsNotYet } from "./config/settings/not-yet.ts";
import { TunicornError } from "./errors.ts";

export { TunicornError, type ErrorCode } from "./errors.ts";
export type { SettingName, Settings } from "./config/settings/all.ts";
export { version } from "./version.ts";

/** Settings by their names. Whatever a configuration file may say for one is taken; a list of one may be its text. */
export type SettingValues = {
  readonly [Name in SettingName]?:
    | Settings[Name]
    | (Settings[Name] extends readonly string[] ? string : never);
};

export interface RunOptions {
  /** MODULE, MODULE:NAME or MODULE:FACTORY(). */
  readonly application?: string;
  /** They have the rank of the command line. `config` names a configuration file; without it none is read. */
  readonly settings?: SettingValues;
  /** Folder that paths in the settings are relative to; by default the present one. */
  readonly workingFolder?: string;
  /** Signals to this process mean what they mean to the command: TERM stops, HUP reloads. By default they do. */
  readonly signals?: boolean;
}

/** A server that is ready for requests. */
export interface RunningServer {
  /** Where it listens, such as http://127.0.0.1:8000. */
  readonly addresses: readonly string[];
  /** Fulfilled when the server has stopped, whoever stopped it. */
  readonly stopped: Promise<void>;
  /** New workers with the code and the configuration file as they are now. Rejects when the old ones go on serving. */
  reload(): Promise<void>;
  /** Answers what was accepted, within graceful_timeout. */
  stop(): Promise<void>;
}

/** The folder, the title and the signals of a process can be those of one server. */
let isRunning = false;

/**
 * Makes this process the arbiter of a server, and resolves when its workers are ready. Rejects with a
 * TunicornError that says why it cannot start.
 */
export async function run(options: RunOptions): Promise<RunningServer> {
  if (isRunning) {
    throw new TunicornError("ERR_ALREADY_RUNNING", "There is a server in this process already", {
      hint: "Wait until it has stopped, or run the other one in a process of its own",
    });
  }
  isRunning = true;
  try {
    return await start(options);
  } catch (error) {
    isRunning = false;
    throw error;
  }
}

async function start(options: RunOptions): Promise<RunningServer> {
  const arbiter = makeArbiter(makeInvocation(options));
  const disconnect = options.signals === false ? () => undefined : handleSignals(arbiter);
  const stopped = arbiter.stopped.then(() => {
    disconnect();
    isRunning = false;
  });
  try {
    await Promise.race([arbiter.start(), stopped]);
  } catch (error) {
    disconnect();
    if (error instanceof DaemonWanted) error.mold.kill();
    throw error instanceof DaemonWanted
      ? new TunicornError("ERR_SETTING_VALUE", "A process that runs already cannot become a daemon", {
          hint: "Leave the setting daemon out",
        })
      : error;
  }
  if (!arbiter.isServing) {
    await stopped;
    throw new TunicornError("ERR_MOLD_LOST", "The start was interrupted by a signal");
  }
  return toRunningServer(arbiter, stopped);
}

function makeArbiter(invocation: Invocation): Arbiter {
  const { workingFolder } = invocation;
  return new Arbiter({
    invocation,
    interpreter: findInterpreter({
      named: earlyValue(invocation, "python"),
      launcher: null,
      environment: process.env,
      workingFolder,
      applicationFolder: earlyValue(invocation, "chdir"),
    }),
    inheritance: takeInheritance(process.env, process.pid),
    adoptedMold: null,
    mayLaunch: true,
    // An upgrade (USR2) starts the program anew.
    command: startCommandOf(process.argv, workingFolder, process.env),
  });
}

function toRunningServer(arbiter: Arbiter, stopped: Promise<void>): RunningServer {
  return {
    addresses: arbiter.addresses,
    stopped,
    stop: async () => {
      await arbiter.stop("Stopping, as the program asks");
      await stopped;
    },
    reload: async () => {
      if (await arbiter.reload("Reloading, as the program asks")) return;
      throw new TunicornError("ERR_RELOAD", "The reload failed, the old workers go on serving", {
        hint: "The error log says why",
      });
    },
  };
}

function makeInvocation({
  application,
  settings = {},
  workingFolder = process.cwd(),
}: RunOptions): Invocation {
  const values = new Map<SettingName, unknown>();
  const notYet = new Map<string, unknown>();
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    if (isSettingName(name)) values.set(name, value);
    else if (settingsNotYet.includes(name)) notYet.set(name, value);
    else
      throw new TunicornError("ERR_USAGE", `There is no setting "${name}"`, {
        hint: "`tunicorn --help` names them all",
      });
  }
  return {
    environment: process.env,
    workingFolder,
    environmentArguments: { source: "GUNICORN_CMD_ARGS", values: new Map() },
    commandLine: { source: "run()", values, notYet },
    application: application ?? null,
    isEmbedded: true,
  };
}
