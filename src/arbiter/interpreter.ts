import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { TunicornError } from "../errors.ts";

/** Where the choice of the interpreter may come from. */
export interface InterpreterSources {
  /** `--python`. */
  readonly named: string | null;
  /** The one whose installation the command belongs to, if it was installed by pip. */
  readonly launcher: string | null;
  readonly environment: NodeJS.ProcessEnv;
  /** Folder in which the command was called. */
  readonly workingFolder: string;
  /** Folder of the application, if the command line names one (`--chdir`). */
  readonly applicationFolder: string | null;
}

/**
 * The Python that runs the application: the one named, else the one that tunicorn was installed in, else that
 * of `$VIRTUAL_ENV`, else that of `.venv` beside the application, else `python3` on the PATH. Throws
 * ERR_INTERPRETER when there is none.
 */
export function findInterpreter(sources: InterpreterSources): string {
  const { named, launcher, environment, workingFolder, applicationFolder } = sources;
  if (named !== null) {
    const path = named.includes("/") ? resolve(workingFolder, named) : findOnPath(named, environment);
    if (path === null || !isExecutable(path)) {
      throw new TunicornError("ERR_INTERPRETER", `No Python at "${named}", which --python names`, {
        hint: "Give the path of a Python 3.10 or newer",
      });
    }
    return path;
  }
  if (launcher !== null) return launcher;
  const virtualEnvironment = environment["VIRTUAL_ENV"];
  const candidates = [
    ...(virtualEnvironment ? [join(virtualEnvironment, "bin", "python")] : []),
    resolve(workingFolder, applicationFolder ?? ".", ".venv", "bin", "python"),
  ];
  const found = candidates.find((path) => existsSync(path)) ?? findOnPath("python3", environment);
  if (found === null) {
    throw new TunicornError(
      "ERR_INTERPRETER",
      "No Python was found: no virtual environment, and no python3 on the PATH",
      {
        hint: "Install Python 3.10 or newer, or name one: tunicorn --python /path/to/python3",
      },
    );
  }
  return found;
}

function findOnPath(name: string, environment: NodeJS.ProcessEnv): string | null {
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => isExecutable(path)) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
