import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { python, repositoryRoot } from "./server.ts";

const isRoot = process.getuid?.() === 0;

/** For the `skip` of a test that gives rights up, which only root can. */
export const withoutRoot: string | false = isRoot ? false : "only root may choose user and group";

/** Whether everybody may read the file: also those whose rights a test takes. */
function isPublic(path: string): boolean {
  const folder = dirname(path);
  const needed = path === folder || statSync(path).isDirectory() ? 0o001 : 0o004;
  return (statSync(path).mode & needed) !== 0 && (folder === path || isPublic(folder));
}

/** An interpreter that any user can run; that of the tests may lie in root's own folder. */
export const publicPython: string | undefined = [python, "/usr/bin/python3"].find((path) => {
  try {
    return isPublic(realpathSync(path));
  } catch {
    return false;
  }
});

/** For the `skip` of a test whose router and workers run as another user. */
export const withoutOtherUser: string | false = withoutRoot === false ? unreadableByOthers() : withoutRoot;

function unreadableByOthers(): string | false {
  // A clone in a folder of `mktemp -d` is its owner's alone.
  if (!isPublic(repositoryRoot)) return "this checkout cannot be read by other users";
  return publicPython === undefined ? "the interpreter cannot be read by other users" : false;
}
