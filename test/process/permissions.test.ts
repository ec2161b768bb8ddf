import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

import { parseEcho } from "../helpers/bodies.ts";
import { ClientConnection } from "../helpers/client.ts";
import { startFixture } from "../helpers/server.ts";

const HEAD = "Host: a\r\n";

/** What the application sees, or the status of the refusal. */
async function outcomeOf(
  t: TestContext,
  port: number,
  text: string,
): Promise<ReturnType<typeof parseEcho> | number> {
  const connection = await ClientConnection.open(t, port);
  connection.send(text);
  const answer = await connection.readAnswer();
  return answer.status === 200 ? parseEcho(answer) : answer.status;
}

test("what may be permitted", async (t) => {
  const strict = await startFixture(t, "echo");
  for (const { setting, args, input, refusal, permitted } of [
    {
      setting: "permit_unconventional_http_method",
      args: ["--permit-unconventional-http-method"],
      input: `x#y / HTTP/1.1\r\n${HEAD}\r\n`,
      refusal: 400,
      permitted: { method: "x#y" },
    },
    {
      setting: "casefold_http_method",
      args: ["--casefold-http-method"],
      input: `get / HTTP/1.1\r\n${HEAD}\r\n`,
      refusal: 400,
      permitted: { method: "GET" },
    },
    {
      setting: "permit_unconventional_http_version",
      args: ["--permit-unconventional-http-version"],
      input: `GET / HTTP/2.0\r\n${HEAD}\r\n`,
      refusal: 505,
      permitted: { path: "/" },
    },
    {
      setting: "permit_obsolete_folding",
      args: ["--permit-obsolete-folding"],
      input: `GET / HTTP/1.1\r\n${HEAD}X: one\r\n\t two\r\n   three\r\n\r\n`,
      refusal: 400,
      permitted: { headers: { HOST: "a", X: "one two three" } },
    },
    {
      setting: "strip_header_spaces",
      args: ["--strip-header-spaces"],
      input: `GET / HTTP/1.1\r\n${HEAD}X \t: one\r\n\r\n`,
      refusal: 400,
      permitted: { headers: { HOST: "a", X: "one" } },
    },
  ]) {
    await t.test(`${setting}: ${refusal} without it, served with it`, async (t) => {
      assert.equal(await outcomeOf(t, strict.port, input), refusal);
      const lenient = await startFixture(t, "echo", { args });
      const outcome = await outcomeOf(t, lenient.port, input);
      assert(typeof outcome === "object", `It got ${JSON.stringify(outcome)}`);
      for (const [key, value] of Object.entries(permitted)) {
        assert.deepEqual(Object.entries(outcome).find(([name]) => name === key)?.[1], value);
      }
    });
  }
});

test("header_map", async (t) => {
  const spoofed = `GET / HTTP/1.1\r\n${HEAD}X-User: joe\r\nX_User: root\r\n\r\n`;
  for (const { what, args, expected } of [
    { what: "drop, the default, leaves names with underscores out", args: [], expected: "joe" },
    { what: "drop leaves them out", args: ["--header-map", "drop"], expected: "joe" },
    { what: "refuse answers 400", args: ["--header-map", "refuse"], expected: 400 },
    { what: "dangerous lets them through", args: ["--header-map", "dangerous"], expected: "joe,root" },
  ]) {
    await t.test(what, async (t) => {
      const server = await startFixture(t, "echo", { args });
      const outcome = await outcomeOf(t, server.port, spoofed);
      assert.equal(typeof outcome === "number" ? outcome : outcome.headers["X_USER"], expected);
    });
  }
});
