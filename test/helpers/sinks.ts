import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { LOG_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { python, repositoryRoot } from "./server.ts";
import { onTeardown } from "./teardown.ts";

/** What came to a server that only listens, such as one of syslog or statsd. */
export class Sink {
  /** Where it listens. */
  readonly port: number;
  readonly messages: string[] = [];

  constructor(port: number) {
    this.port = port;
  }

  /** Resolves when a message matches; the match. */
  async waitFor(pattern: RegExp, deadlineMs = LOG_DEADLINE_MS): Promise<RegExpExecArray> {
    const find = (): RegExpExecArray | undefined =>
      this.messages.map((message) => pattern.exec(message)).find((match) => match !== null);
    await untilTrue(() => find() !== undefined, {
      deadlineMs,
      what: () => `${pattern} among:\n${this.messages.join("\n")}`,
    });
    return find() as RegExpExecArray;
  }
}

/** Listens for datagrams on a free UDP port. */
export async function openUdpSink(t: TestContext): Promise<Sink> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTeardown(t, () => void socket.close());
  const sink = new Sink(socket.address().port);
  socket.on("message", (message) => sink.messages.push(message.toString()));
  return sink;
}

/** Listens on a free TCP port; each line is a message. */
export async function openTcpSink(t: TestContext): Promise<Sink> {
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    createInterface({ input: connection }).on("line", (line) => sink.messages.push(line));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTeardown(t, () => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  const sink = new Sink(portOf(server));
  return sink;
}

/** Listens on a free TCP port, accepts, and never reads; the port. */
export async function openStuckServer(t: TestContext): Promise<number> {
  const connections = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (connection) => connections.add(connection));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTeardown(t, () => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  return portOf(server);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const UNIX_SINK = join(repositoryRoot, "test/fixtures/programs/unix_sink.py");

/** Listens for datagrams on a unix socket, which Node cannot: a Python program passes them on. */
export async function openUnixSink(t: TestContext, path: string): Promise<Sink> {
  const child: ChildProcess = spawn(python, [UNIX_SINK, path], { stdio: ["ignore", "pipe", "inherit"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const sink = new Sink(0);
  const lines: string[] = [];
  createInterface({ input: child.stdout ?? process.stdin }).on("line", (line) => {
    lines.push(line);
    if (lines.length > 1) sink.messages.push(JSON.parse(line) as string);
  });
  await untilTrue(() => lines.length > 0, { deadlineMs: LOG_DEADLINE_MS, what: `a socket at ${path}` });
  return sink;
}
