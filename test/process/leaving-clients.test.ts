import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";

import { ClientConnection } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { onTeardown } from "../helpers/teardown.ts";

const HEAD = "Host: a\r\n";

test("clients that close while their requests wait cost no call of the application", async (t) => {
  const server = await startGatedServer(t, []);
  const holder = await server.holdWorker();
  const router = new RouterProcess(server);
  const before = router.descriptors;
  const sockets = await Promise.all(
    ["GET /left HTTP/1.1", "GET /left HTTP/1.0", "POST /left HTTP/1.1", "HEAD /left HTTP/1.0"].map(
      async (line) => {
        const socket = connect(server.port, "127.0.0.1");
        onTeardown(t, () => void socket.destroy());
        const body = line.startsWith("POST") ? "Content-Length: 5\r\n\r\nhello" : "\r\n";
        await new Promise((resolve) => socket.write(`${line}\r\n${HEAD}${body}`, resolve));
        return socket;
      },
    ),
  );
  const untilOpen = (count: number): Promise<void> =>
    untilTrue(() => router.descriptors === before + count, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `${count} connections of the router, there are ${router.descriptors - before}`,
    });
  await untilOpen(sockets.length);

  const [first, second, ...others] = sockets;
  first?.resetAndDestroy();
  await untilOpen(3);
  second?.destroy();
  await untilOpen(2);
  for (const socket of others) socket.destroy();
  await untilOpen(0);

  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  assert.deepEqual(await server.allCalledPaths(), ["/hold", "/last"]);
});

test("a client that has closed its side only still gets its answer", async (t) => {
  const server = await startGatedServer(t, []);
  const sendAndEnd = (t: TestContext, text: string): ClientConnection => {
    const socket: Socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    onTeardown(t, () => void socket.destroy());
    socket.end(text);
    return new ClientConnection(socket);
  };

  await t.test("at once", async (t) => {
    const connection = sendAndEnd(t, `POST /at-once HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nhello`);
    assert.equal((await connection.readAnswer()).text, "5 bytes to /at-once");
    await connection.readEnd();
  });

  await t.test("to each of its requests", async (t) => {
    const requests = ["/one", "/two", "/three"].map((path) => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`);
    const connection = sendAndEnd(t, requests.join(""));
    for (const path of ["/one", "/two", "/three"]) {
      assert.equal((await connection.readAnswer()).text, `0 bytes to ${path}`);
    }
    await connection.readEnd();
  });

  await t.test("after its request has waited, and it was asked whether it is there", async (t) => {
    const holder = await server.holdWorker();
    const waiting = ["GET /waited HTTP/1.1", "GET /waited HTTP/1.0"].map((line) =>
      sendAndEnd(t, `${line}\r\n${HEAD}\r\nGET /second HTTP/1.1\r\n${HEAD}\r\n`),
    );
    await untilTrue(() => waiting.every(({ waitingBytes }) => waitingBytes >= 3), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "the first octets of the answers",
    });
    await server.openGate();
    assert.equal((await holder.readAnswer()).status, 200);
    for (const connection of waiting) {
      assert.equal((await connection.readAnswer()).text, "0 bytes to /waited");
    }
    assert.equal((await waiting[0]?.readAnswer())?.text, "0 bytes to /second");
    for (const connection of waiting) await connection.readEnd();
  });
});
