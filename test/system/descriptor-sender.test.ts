import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer, Socket, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";

import { DescriptorSender } from "../../src/system/descriptor-sender.ts";
import { ANSWER_DEADLINE_MS, PROGRAM_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Writes to each socket that it is sent what came with it, and says what came without one, or that all is over. */
const RECEIVER = `
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
while True:
    data, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
    if not data:
        print("over", flush=True)
        break
    if descriptors:
        with socket.socket(fileno=descriptors[0]) as sent:
            sent.sendall(data)
    else:
        print(data.decode("latin-1"), flush=True)
`;

/** Both ends of a connection, over TCP (an address) or a unix socket (a path). */
async function connectPair(t: TestContext, where: string | null = null) {
  const server = createServer({ allowHalfOpen: true });
  onTeardown(t, () => void server.close());
  server.listen(where ?? 0);
  await once(server, "listening");
  const accepting = once(server, "connection") as Promise<[Socket]>;
  const client =
    where === null ? connect((server.address() as AddressInfo).port, "127.0.0.1") : connect(where);
  const [accepted] = await accepting;
  onTeardown(t, () => {
    client.destroy();
    accepted.destroy();
  });
  return { client: client.setEncoding("latin1"), accepted };
}

async function startSender(t: TestContext) {
  const folder = await temporaryFolder(t);
  const path = join(folder, "receiver");
  const { accepted: like } = await connectPair(t, join(folder, "like"));
  const receiver = spawn(python, ["-c", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
  onTeardown(t, () => void receiver.kill());
  const lines: string[] = [];
  createInterface(receiver.stdout).on("line", (line) => lines.push(line));
  const said = (line: string) =>
    untilTrue(() => lines.includes(line), { deadlineMs: PROGRAM_DEADLINE_MS, what: `it says "${line}"` });
  await said("listening");
  const sender = DescriptorSender.connect(path, like);
  assert.ok(sender !== null);
  onTeardown(t, () => sender.close());
  const isReady = () =>
    untilTrue(() => sender.isReady, { deadlineMs: ANSWER_DEADLINE_MS, what: "the sender is ready" });
  await isReady();
  return { path, sender, said, isReady };
}

async function read(client: Socket): Promise<string> {
  const [text] = (await withDeadline(once(client, "data"), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the client is written to",
  })) as [string];
  return text;
}

test("DescriptorSender sends a socket to another process, which writes to the same client", async (t) => {
  const { sender, isReady } = await startSender(t);
  for (const text of ["first", "every octet: \u0000\u007f\u0080\u00ff"]) {
    const { client, accepted } = await connectPair(t);
    sender.send(Buffer.from(text, "latin1"), accepted);
    assert.equal(await read(client), text);
    accepted.write(", and here");
    assert.equal(await read(client), ", and here");
    await isReady();
  }
});

test("DescriptorSender sends bytes without a socket", async (t) => {
  const { sender, said, isReady } = await startSender(t);
  const { client, accepted } = await connectPair(t);
  sender.send(Buffer.from("alone"), null);
  await said("alone");
  await isReady();
  sender.send(Buffer.from("with a socket"), accepted);
  assert.equal(await read(client), "with a socket");
  await isReady();
  sender.send(Buffer.from("alone again"), null);
  await said("alone again");
});

test("DescriptorSender leaves a socket open that the receiver has closed, and its closing ends it", async (t) => {
  const { sender } = await startSender(t);
  const { client, accepted } = await connectPair(t);
  sender.send(Buffer.from("x"), accepted);
  assert.equal(await read(client), "x");
  const ended = once(client, "end");
  accepted.end("y");
  assert.equal(await read(client), "y");
  await withDeadline(ended, { deadlineMs: ANSWER_DEADLINE_MS, what: "the client sees the end" });
});

test("DescriptorSender removes the path that it has connected to, and one where nobody listens any more", async (t) => {
  const { path } = await startSender(t);
  const isGone = (gone: string) =>
    untilTrue(() => !existsSync(gone), { deadlineMs: ANSWER_DEADLINE_MS, what: `${gone} is removed` });
  await isGone(path);
  const folder = await temporaryFolder(t);
  const { accepted } = await connectPair(t, join(folder, "like"));
  const left = join(folder, "left");
  const leave = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
  assert.equal(spawnSync(python, ["-c", leave, left]).status, 0);
  assert.ok(existsSync(left));
  const sender = DescriptorSender.connect(left, accepted);
  onTeardown(t, () => sender?.close());
  await isGone(left);
});

test("DescriptorSender ends its connection when it is closed", async (t) => {
  const { sender, said } = await startSender(t);
  sender.close();
  assert.equal(sender.isReady, false);
  await said("over");
});

test("DescriptorSender is never ready where nobody listens, and sends nothing then", async (t) => {
  const folder = await temporaryFolder(t);
  const { accepted } = await connectPair(t, join(folder, "like"));
  const sender = DescriptorSender.connect(join(folder, "nobody"), accepted);
  assert.ok(sender !== null);
  onTeardown(t, () => sender.close());
  assert.equal(sender.isReady, false);
  sender.send(Buffer.from("nobody reads this"), null);
  const settled = new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  await settled;
  assert.equal(sender.isReady, false);
});

test("DescriptorSender is not to be had from a socket without a pipe", () => {
  assert.equal(DescriptorSender.connect("/nowhere", new Socket()), null);
});
