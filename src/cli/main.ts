import { findInterpreter } from "../arbiter/interpreter.ts";
import { earlyValue, type Invocation } from "../config/invocation.ts";
import { describeError, exitStatusOf } from "../errors.ts";
import { exitProcess } from "../log/log-file.ts";
import { workingFolder } from "../system/working-folder.ts";
import { version } from "../version.ts";
import { helpText, parseArguments } from "./arguments.ts";
import { check, wantsCheck } from "./commands/check.ts";
import { run } from "./commands/run.ts";
import { needsInit, runBelowInit } from "./init.ts";
import { splitShellWords } from "./shell-words.ts";

/** The tunicorn command. Ends the process with the status that Gunicorn's users know. */
export async function main(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  try {
    await execute(argv, environment);
    exitProcess(0);
  } catch (error) {
    const text = describeError(error);
    if (text !== "") process.stderr.write(`tunicorn: ${text}\n`);
    exitProcess(exitStatusOf(error));
  }
}

async function execute(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const parsed = parseArguments(argv, "the command line");
  if (parsed.wantsHelp) {
    process.stdout.write(helpText());
    return;
  }
  if (parsed.wantsVersion) {
    process.stdout.write(`tunicorn (version ${version})\n`);
    return;
  }
  const fromEnvironment = parseArguments(
    splitShellWords(environment["GUNICORN_CMD_ARGS"] ?? ""),
    "GUNICORN_CMD_ARGS",
  );
  const invocation: Invocation = {
    environment,
    workingFolder: workingFolder(environment),
    environmentArguments: fromEnvironment.layer,
    commandLine: parsed.layer,
    application: parsed.application ?? fromEnvironment.application,
    // The command of a Python installation has put its flag and interpreter before what was written.
    words: parsed.launcher === null ? argv : argv.slice(2),
  };
  const interpreter = findInterpreter({
    named: earlyValue(invocation, "python"),
    launcher: parsed.launcher,
    environment,
    workingFolder: invocation.workingFolder,
    applicationFolder: earlyValue(invocation, "chdir"),
  });
  if (wantsCheck(invocation)) await check(invocation, interpreter);
  else if (needsInit(environment)) await runBelowInit(interpreter);
  else await run(invocation, interpreter);
}
