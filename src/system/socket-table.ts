/**
 * What the kernel tells about sockets and who has them open (/proc, Linux; elsewhere nothing is found).
 * For messages to people: nothing is decided by it.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that has a socket open. */
export interface SocketHolder {
  readonly pid: number;
  readonly command: string;
}

/** Who listens at a port, as far as this user may see it. */
export function findPortHolder(address: string, port: number): SocketHolder | null {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"]
    .flatMap((table) => linesOf(table))
    .map((line) => line.trim().split(/ +/));
  // Columns: 1 local address, 3 state, 9 inode.
  const listening = rows.filter((row) => row[1]?.endsWith(suffix) && row[3] === LISTENING);
  const own = listening.find((row) => row[1] === `${hexOf(address)}${suffix}`);
  const any = listening.find((row) => /^0+:/.test(row[1] ?? ""));
  return holderOf((own ?? any ?? listening[0])?.[9]);
}

/** Who has a unix socket open; its name is a path, or `@name` for an abstract one. */
export function findUnixHolder(name: string): SocketHolder | null {
  return holderOf(unixSockets().find((socket) => socket.name === name)?.inode);
}

/** Name of a unix socket that this process has open; null when it cannot be told. */
export function unixNameOf(fd: number): string | null {
  const inode = inodeOf(`/proc/self/fd/${fd}`);
  return unixSockets().find((socket) => socket.inode === inode)?.name ?? null;
}

const LISTENING = "0A";

/** A line is `address refcount protocol flags type state inode name`; the name is a path, which may hold blanks. */
const UNIX_LINE = /^(?:\S+ +){6}(\d+)(?: (.+))?$/;

function unixSockets(): { readonly inode: string; readonly name: string | null }[] {
  return linesOf("/proc/net/unix").flatMap((line) => {
    const [, inode, name] = UNIX_LINE.exec(line) ?? [];
    if (inode === undefined) return [];
    // An abstract name is shown with @ for each NUL; a libuv that pads it fills the whole address with them.
    return [{ inode, name: name?.replace(/^(@.+?)@*$/, "$1") ?? null }];
  });
}

/** IPv4 as the table has it: the bytes in the order of the machine, which is little-endian wherever Node runs. */
function hexOf(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0"));
  return bytes.toReversed().join("");
}

function linesOf(table: string): string[] {
  try {
    return readFileSync(table, "utf8").trimEnd().split("\n").slice(1);
  } catch {
    return [];
  }
}

function holderOf(inode: string | undefined): SocketHolder | null {
  if (inode === undefined || inode === "0") return null;
  for (const entry of listOf("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const folder = `/proc/${entry}/fd`;
    if (listOf(folder).some((fd) => inodeOf(`${folder}/${fd}`) === inode)) {
      return { pid: Number(entry), command: commandOf(entry) };
    }
  }
  return null;
}

/** Processes of other users are closed to us, and any may end while we look. */
function listOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function inodeOf(link: string): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Its title, where it has given itself one: the kernel's own name for a process is cut after 15 octets. */
function commandOf(pid: string): string {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const [title = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return title.startsWith(name) ? title.trim() : name;
  } catch {
    return "?";
  }
}
