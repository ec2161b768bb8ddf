/**
 * Private directories of servers that were killed as a whole, so that nobody was left to remove them. Each directory
 * says in a file whose it is; a later server removes those whose owner is dead and which nobody uses any more. Linux
 * alone tells all that is needed to be sure; elsewhere nothing is marked and nothing removed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemCodeOf } from "../errors.ts";
import { statField } from "./pids.ts";

const DIRECTORY = /^tunicorn-\w{6}$/;
const OWNER_FILE = "owner";
/** Much longer than from the making of a FIFO until its router opens it. */
const START_MS = 60_000;
/** All that such a directory holds. What has another name is not ours to remove. */
const CONTENTS = /^(owner|ring-\d+|tokens-\d+|router-\d+\.sock|log-\d+|watch-\d+|lend-\d+-\d+)$/;

/** Writes down whose directory this is. Where that cannot be told, it is left alone for ever. */
export function markOwner(directory: string): void {
  const owner = describeThis();
  if (owner === null) return;
  attempt(() => writeFileSync(join(directory, OWNER_FILE), owner, { flag: "wx", mode: 0o644 }));
}

/**
 * Removes what killed servers have left in a folder: those of this user, and for root those of all. Fails in silence:
 * it is not this server's.
 */
export function removeLeftBehind(folder: string): void {
  for (const name of attempt(() => readdirSync(folder)) ?? [])
    if (DIRECTORY.test(name)) attempt(() => removeIfLeftBehind(join(folder, name)));
}

function removeIfLeftBehind(directory: string): void {
  // By its descriptor: the user whose it is could put a link in its place meanwhile.
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const held = `/proc/self/fd/${fd}`;
    if ((fstatSync(fd).mode & 0o077) !== 0 || !isLeftBehind(directory, held)) return;
    for (const name of readdirSync(held)) if (CONTENTS.test(name)) unlinkSync(join(held, name));
  } finally {
    closeSync(fd);
  }
  rmdirSync(directory);
}

function isLeftBehind(directory: string, held: string): boolean {
  const owner = readOwner(join(held, OWNER_FILE));
  const [boot = "", namespace = "", pid = "", started = ""] = owner.split(" ");
  // A process of another boot or container cannot be seen from here.
  if (describeThis()?.startsWith(`${boot} `) !== true) return false;
  if (describeThis()?.startsWith(`${boot} ${namespace} `) !== true) return isDeserted(held);
  if (!/^\d+$/.test(pid) || startOf(Number(pid)) === started) return false;
  // The router and the workers of a killed arbiter finish what they have, and remove it themselves.
  const sockets = readFileSync("/proc/net/unix", "utf8");
  return !sockets.includes(`${directory}/`) && !readdirSync(held).some((name) => isRead(held, name));
}

/**
 * A queue of another container that shares the folder, as the containers of a pod do, and those before them: a router
 * has its FIFO open as long as it serves, which is seen from everywhere. Who has just made one is about to open it.
 */
function isDeserted(held: string): boolean {
  const fifos = readdirSync(held).filter((name) => name.startsWith("tokens-"));
  const isOld = (name: string): boolean => Date.now() - lstatSync(join(held, name)).mtimeMs > START_MS;
  return fifos.length > 0 && fifos.every((name) => isOld(name) && !isRead(held, name));
}

/** A plain file: nobody can make us wait for a FIFO. */
function readOwner(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    return fstatSync(fd).isFile() ? readFileSync(fd, "utf8") : "";
  } finally {
    closeSync(fd);
  }
}

/** A FIFO of tokens that a router or a worker has open. */
function isRead(directory: string, name: string): boolean {
  if (!name.startsWith("tokens-")) return false;
  try {
    const path = join(directory, name);
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW));
    return true;
  } catch (error) {
    return systemCodeOf(error) !== "ENXIO";
  }
}

let ourselves: string | null = null;

/** As describeOwner(): it is asked of each directory, and never changes. */
function describeThis(): string | null {
  ourselves ??= describeOwner(process.pid);
  return ourselves;
}

/** Boot, pid namespace, pid and start of a process: together no other process has them. Null: they cannot be told. */
function describeOwner(pid: number): string | null {
  return attempt(() => {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")} ${pid} ${startOf(pid)}`;
  });
}

/** When a process began, in ticks since the boot; "" when there is none. */
function startOf(pid: number): string {
  return statField(pid, 22);
}

function attempt<Value>(what: () => Value): Value | null {
  try {
    return what();
  } catch {
    return null;
  }
}
