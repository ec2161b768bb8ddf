import { open } from "node:fs/promises";

/** What listens stands first in the kernel's tables; connections, which may be many, come behind. */
const READ_BYTES = 64 * 1024;

const LISTENING = "0A";

/** Clients that are connected to these TCP ports and were not accepted yet, as Linux counts them; elsewhere none. */
export async function countUnaccepted(ports: ReadonlySet<number>): Promise<number> {
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readHead(path)));
  return tables
    .join("\n")
    .split("\n")
    .reduce((sum, line) => sum + unacceptedOf(line, ports), 0);
}

/** Columns: 1 `address:port`, 3 state, 4 `sent:received`, the latter being the queue of a socket that listens. */
function unacceptedOf(line: string, ports: ReadonlySet<number>): number {
  const [, local = "", , state, queues = ""] = line.trim().split(/ +/);
  if (state !== LISTENING || !ports.has(Number.parseInt(local.slice(local.indexOf(":") + 1), 16))) return 0;
  return Number.parseInt(queues.slice(queues.indexOf(":") + 1), 16);
}

async function readHead(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, 0);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}
