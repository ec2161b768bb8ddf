import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";

const PROGRAM = `
import socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=16)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
`;

/** Listens on a TCP port and accepts nobody, which Node's own servers cannot leave. */
export async function bindTcp(t: TestContext): Promise<{ readonly port: number }> {
  const child = spawn(python, ["-c", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { port: Number(line) };
}
