import { statSync } from "node:fs";

/**
 * The working folder as the shell wrote it: a release that is exchanged by a symbolic link (`current`) is then
 * found by what the link leads to by now, at each reload and upgrade. Without such a name, its real path.
 */
export function workingFolder(environment: NodeJS.ProcessEnv): string {
  const real = process.cwd();
  const written = environment["PWD"];
  return written?.startsWith("/") && isSame(written, real) ? written : real;
}

function isSame(path: string, other: string): boolean {
  const [one, two] = [path, other].map((each) => statSync(each, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === two?.ino && one.dev === two.dev;
}
