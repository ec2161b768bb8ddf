/**
 * How V8 is told to run a router: a process that lives long, and keeps next to nothing of a request. Its defaults are for
 * programs that keep much. What the user tells Node counts more. docs/performance-trials.md has the figures.
 */

/**
 * The limit that Node 20 has. Node 24 has 64, and 64 connections that come and go are enough for it to take three times that
 * and keep it. With less than 16 it may never get over what such connections leave at first.
 */
const NEW_SPACE_FLAG = "--max-semi-space-size=16";
const NAMES_NEW_SPACE = /--max[-_]semi[-_]space[-_]size\b/;

/** From here on it may grow further. To the V8 of an earlier Node code of other flags is foreign, Node's own too. */
const NEW_SPACE_MAJOR = 24;

/**
 * A compilation of Maglev that is finished keeps its memory until a thread destroys it, which may be at the next one only.
 * Destroyed at once, they leave 8 to 14 MiB less in malloc's heap. A V8 complains about flags that it does not know.
 */
const MAGLEV_FLAG = "maglev-destroy-on-background";
const MAGLEV_V8 = /^13\.6\./;

/** What Node is given when it starts a router, before what the user gives it. */
export function routerFlags(nodeOptions: string | undefined): readonly string[] {
  const isGrowing = Number.parseInt(process.versions.node, 10) >= NEW_SPACE_MAJOR;
  // What is in NODE_OPTIONS counts less for Node than its arguments.
  return isGrowing && !NAMES_NEW_SPACE.test(nodeOptions ?? "") ? [NEW_SPACE_FLAG] : [];
}

/** Whether this process has flags beside those that a router is given. */
export function hasOtherFlags(): boolean {
  const nodeOptions = process.env["NODE_OPTIONS"];
  const own = routerFlags(nodeOptions);
  return nodeOptions !== undefined || process.execArgv.some((flag) => !own.includes(flag));
}

/** Once they are set. */
let setFlag: ((flag: string) => void) | null = null;

/**
 * Sets what can be set while V8 runs. Late, since V8 takes compiled code from its own flags alone: what we have kept, and
 * what Node has of its modules.
 */
export async function setLateFlags(): Promise<void> {
  if (!MAGLEV_V8.test(process.versions.v8) || process.execArgv.some(namesMaglev)) return;
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString(`--no-${MAGLEV_FLAG}`);
  setFlag = setFlagsFromString;
}

/** Calls it under the flags of the start. */
export function withoutLateFlags<T>(make: () => T): T {
  setFlag?.(`--${MAGLEV_FLAG}`);
  try {
    return make();
  } finally {
    setFlag?.(`--no-${MAGLEV_FLAG}`);
  }
}

function namesMaglev(flag: string): boolean {
  return flag.includes("maglev");
}
