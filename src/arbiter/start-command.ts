/** How this arbiter was started, so that another can be started in the same way. */
export interface StartCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly workingFolder: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** The flag by which a Python installation's command names its interpreter: that command is what is started again. */
const LAUNCHER_FLAG = "--launcher";

/**
 * Describes this process. What the paths lead to is looked up anew by whoever starts it: a link to the present
 * release may lead to another one by then.
 */
export function startCommandOf(
  argv: readonly string[],
  workingFolder: string,
  environment: NodeJS.ProcessEnv,
): StartCommand {
  const [node = process.execPath, program = "", first, interpreter, ...rest] = argv;
  const common = { workingFolder, environment: { ...environment } };
  if (first === LAUNCHER_FLAG && interpreter !== undefined) {
    return { program: interpreter, arguments: ["-m", "tunicorn", ...rest], ...common };
  }
  return { program: node, arguments: [...process.execArgv, program, ...argv.slice(2)], ...common };
}
