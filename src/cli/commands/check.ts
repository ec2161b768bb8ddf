import { Generation } from "../../arbiter/generation.ts";
import type { Invocation } from "../../config/invocation.ts";
import { TunicornError } from "../../errors.ts";
import { settingsText } from "../../config/settings-text.ts";
import type { Leftovers } from "../../router/messages.ts";
import { ErrorLog } from "../../log/error-log.ts";

/** Nothing is made that would have to be removed. */
const NO_LEFTOVERS: Leftovers = {
  arbiterPid: 0,
  runtimeDirectory: "",
  queueDirectory: null,
  pidfile: null,
  sockets: [],
};

/** `--check-config` and `--print-config`: the settings are read, printed if wished, and the application is loaded. */
export async function check(invocation: Invocation, interpreter: string): Promise<void> {
  const generation = new Generation({
    number: 1,
    invocation,
    interpreter,
    adoptedMold: null,
    nextAge: () => 1,
    listener: { onMoldLost: () => undefined },
  });
  try {
    await generation.prepare();
    const { settings } = generation;
    if (settings.print_config)
      process.stdout.write(settingsText({ ...settings, worker_class: generation.workerClass }));
    const log = new ErrorLog("-", settings.loglevel, { isJson: settings.error_log_json });
    for (const warning of generation.read.warnings) log.warning(warning);
    await log.close();
    await generation.configure({
      log,
      logProcess: null,
      channelPaths: [],
      tokensPath: null,
      leftovers: NO_LEFTOVERS,
      errorLog: "-",
    });
    await generation.load();
  } catch (error) {
    throw toCheckError(error);
  } finally {
    await generation.stopMold();
  }
}

/** A start tells by its exit status how the application failed; a check, as Gunicorn's, only that it did. */
function toCheckError(error: unknown): unknown {
  const isApplications = error instanceof TunicornError && (error.kind.exitStatus ?? 1) > 2;
  return isApplications ? new TunicornError("ERR_CHECK", error.message, { cause: error }) : error;
}

/** Whether the command line asks for one of the two; the configuration file may not. */
export function wantsCheck(invocation: Invocation): boolean {
  return [invocation.environmentArguments, invocation.commandLine].some(
    ({ values }) => values.has("check_config") || values.has("print_config"),
  );
}
