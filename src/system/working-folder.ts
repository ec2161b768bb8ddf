import { statSync } from "node:fs";
import { ownUserName, TunicornError } from "../errors.ts";

/**
 * The working folder as the shell wrote it: a release that is exchanged by a symbolic link (`current`) is then
 * found by what the link leads to by now, at each reload and upgrade. Without such a name, its real path.
 */
export function workingFolder(environment: NodeJS.ProcessEnv): string {
  const real = process.cwd();
  const written = environment["PWD"];
  return written?.startsWith("/") && isSame(written, real) ? written : real;
}

/** Goes to the folder of the setting chdir, which is there. Throws ERR_SETTING_VALUE. */
export function enterFolder(folder: string): void {
  try {
    process.chdir(folder);
  } catch (cause) {
    const message = `The user ${ownUserName()} may not enter the folder of chdir, "${folder}"`;
    const hint =
      "Give him the right (chmod o+x, also to the folders above it), or name another folder with --chdir";
    throw new TunicornError("ERR_SETTING_VALUE", message, { cause, hint });
  }
}

function isSame(path: string, other: string): boolean {
  const [one, two] = [path, other].map((each) => statSync(each, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === two?.ino && one.dev === two.dev;
}
