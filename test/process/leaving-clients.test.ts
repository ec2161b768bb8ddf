import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";

import { type Answer, ClientConnection } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** For the router to find out that a client which has closed is not only half-closed. */
const NOTICE_DEADLINE_MS = 5_000;

const HEAD = "Host: a\r\n";

test("a client that closes while its request waits costs no call of the application", async (t) => {
  for (const [how, leave] of [
    ["by closing", (socket: ReturnType<typeof connect>) => socket.destroy()],
    ["by a reset", (socket: ReturnType<typeof connect>) => socket.resetAndDestroy()],
  ] as const) {
    await t.test(how, async (t) => {
      const server = await startGatedServer(t, []);
      const holder = await server.holdWorker();
      const router = new RouterProcess(server);
      const before = router.descriptors;
      const socket = connect(server.port, "127.0.0.1");
      onTeardown(t, () => void socket.destroy());
      await new Promise((resolve) => socket.write(`GET /left HTTP/1.1\r\n${HEAD}\r\n`, resolve));
      await untilTrue(() => router.descriptors === before + 1, {
        deadlineMs: ANSWER_DEADLINE_MS,
        what: "the connection of the client that will leave",
      });
      leave(socket);
      // It may be found out by now, or only when it is this request's turn.
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: NOTICE_DEADLINE_MS,
        what: "the router's closing what the client has left",
      }).catch(() => {});
      await server.openGate();
      assert.equal((await holder.readAnswer()).status, 200);
      assert.deepEqual(await server.allCalledPaths(), ["/hold", "/last"]);
    });
  }
});

/** The answer behind interim ones, by which the server may ask whether the client is still there. */
async function finalAnswer(connection: ClientConnection): Promise<Answer> {
  let answer = await connection.readAnswer();
  while (answer.status < 200) answer = await connection.readAnswer();
  return answer;
}

test("a client that has closed its side only still gets its answer", async (t) => {
  const server = await startGatedServer(t, []);
  const sendAndEnd = (t: TestContext, text: string): ClientConnection => {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    onTeardown(t, () => void socket.destroy());
    socket.end(text);
    return new ClientConnection(socket);
  };

  await t.test("at once", async (t) => {
    const connection = sendAndEnd(t, `POST /at-once HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nhello`);
    assert.equal((await finalAnswer(connection)).text, "5 bytes to /at-once");
    await connection.readEnd();
  });

  await t.test("to each of its requests", async (t) => {
    const requests = ["/one", "/two", "/three"].map((path) => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`);
    const connection = sendAndEnd(t, requests.join(""));
    for (const path of ["/one", "/two", "/three"]) {
      assert.equal((await finalAnswer(connection)).text, `0 bytes to ${path}`);
    }
    await connection.readEnd();
  });

  await t.test("after its request has waited for the worker", async (t) => {
    const holder = await server.holdWorker();
    const waiting = sendAndEnd(t, `GET /waited HTTP/1.1\r\n${HEAD}\r\n`);
    const waitingToo = sendAndEnd(t, "GET /waited-too HTTP/1.0\r\n\r\n");
    await server.openGate();
    assert.equal((await holder.readAnswer()).status, 200);
    assert.equal((await finalAnswer(waiting)).text, "0 bytes to /waited");
    assert.equal((await waitingToo.readAnswer()).text, "0 bytes to /waited-too");
  });
});
