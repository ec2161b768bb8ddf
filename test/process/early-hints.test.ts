import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection } from "../helpers/client.ts";
import { startGatedServer } from "../helpers/gate.ts";

test("wsgi.early_hints", async (t) => {
  const server = await startGatedServer(t, [], { application: "bodies.plain" });

  await t.test("gives HTTP/1.1 a 103 for each call", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/hints");
    const early = await connection.readAnswer();
    assert.deepEqual([early.status, early.reason], [103, "Early Hints"]);
    assert.deepEqual(
      [...early.headers],
      [
        ["link", "</style.css>; rel=preload"],
        ["x-note", "early"],
      ],
    );
    const second = await connection.readAnswer();
    assert.deepEqual([second.status, second.headers.get("link")], [103, "</late.css>; rel=preload"]);
    const final = await connection.readAnswer();
    assert.deepEqual([final.status, final.text, final.headers.has("link")], [200, "ok", false]);
    assert.equal((await connection.request("/other")).text, "ok");
  });

  await t.test("gives HTTP/1.0 nothing", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send("GET /hints HTTP/1.0\r\n\r\n");
    const answer = await connection.readAnswer();
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    await connection.readEnd();
    assert.equal(connection.waitingBytes, 0);
  });
});
