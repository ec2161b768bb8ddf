import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture } from "../helpers/server.ts";
import { startUvicorn } from "../helpers/uvicorn.ts";
import { DeniedError, WebSocketClient, type WebSocketOptions } from "../helpers/websocket-client.ts";

const APPLICATION = "websocket_app:app";

interface Case {
  readonly name: string;
  readonly target: string;
  readonly options?: WebSocketOptions;
  /** What the client does once it is open; then the close is awaited. */
  readonly act?: (client: WebSocketClient) => Promise<void> | void;
}

/** What the client has seen, and what the application was told at last. */
interface Outcome {
  readonly denied?: readonly [number | undefined, string];
  readonly subprotocol?: string;
  readonly messages?: readonly string[];
  readonly closed?: string;
  readonly disconnects: readonly string[];
}

const leave = (client: WebSocketClient): void => client.socket.close();

const cases: readonly Case[] = [
  { name: "scope", target: "/told", act: leave },
  {
    name: "scope with all that a target may have",
    target: "/told/%7Ea%2Fb%20c?subprotocol=chat&b=%20",
    options: { subprotocols: ["x", "chat"], headers: { "X-Field": "One", Cookie: "a=b" } },
    act: leave,
  },
  { name: "denied by a close", target: "/reject" },
  { name: "denied by a response", target: "/deny" },
  { name: "closed", target: "/close" },
  { name: "closed with a code and a reason", target: "/close?code=4000&reason=because" },
  { name: "closed with a code that cannot be sent", target: "/close?code=1005" },
  { name: "closed with a reason that is too long", target: `/close?reason=${"r".repeat(124)}` },
  { name: "the application returns", target: "/leave" },
  { name: "the application raises", target: "/fail" },
  {
    name: "echo of text and octets",
    target: "/echo",
    act: async (client) => {
      client.send("t\u00e9xt");
      client.send(Buffer.from([0, 255]));
      client.send("");
      for (let count = 0; count < 3; count += 1) await client.receive();
      leave(client);
    },
  },
  {
    name: "the client closes with a code",
    target: "/echo",
    act: ({ socket }) => socket.close(3001, "later"),
  },
  { name: "the client vanishes", target: "/echo", act: ({ socket }) => socket.terminate() },
  {
    name: "a message that is too large",
    target: "/echo",
    act: (client) => client.send(Buffer.alloc(17 << 20)),
  },
];

/** Where tunicorn does otherwise, and why. */
const differences: ReadonlyMap<string, string> = new Map([
  ["closed with a code that cannot be sent", "the client is told by 1011; uvicorn cuts the connection"],
  ["closed with a reason that is too long", "the client is told by 1011; uvicorn cuts the connection"],
  ["the application returns", "closed with 1000; uvicorn cuts the connection"],
  ["the application raises", "closed with 1011; uvicorn cuts the connection"],
  ["the client vanishes", "the application hears 1006 (RFC 6455 section 7.4.1); with uvicorn 1005"],
  ["a message that is too large", "the application hears 1009, as the client does; with uvicorn 1006"],
]);

async function disconnectsOf(port: number): Promise<readonly string[]> {
  const seen = JSON.parse((await request(port, "/seen")).text) as Record<string, number>;
  return Object.entries(seen).flatMap(([name, count]) =>
    name.startsWith("disconnect") ? Array<string>(count).fill(name) : [],
  );
}

/** The scope without what differs from one connection to the next. */
function scopeOf(text: string): string {
  if (!text.startsWith("{")) return text;
  const scope = JSON.parse(text) as Record<string, unknown>;
  const headers = (scope["headers"] as [string, string][]).filter(
    ([name]) => !["host", "sec-websocket-key"].includes(name),
  );
  const kept = { ...scope, client: null, server: null, headers };
  return JSON.stringify(Object.fromEntries(Object.entries(kept).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

async function play(t: TestContext, port: number, each: Case): Promise<Outcome> {
  const { name, target } = each;
  const before = await disconnectsOf(port);
  const seen = await look(t, port, each);
  const hears = !["/leave", "/fail"].includes(target) && !differences.get(name)?.includes("client is told");
  if (hears)
    await untilTrue(async () => (await disconnectsOf(port)).length > before.length, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: `the application of ${name} to hear of the end`,
    });
  const disconnects = [...(await disconnectsOf(port))];
  for (const old of before) disconnects.splice(disconnects.indexOf(old), 1);
  return { ...seen, disconnects };
}

async function look(
  t: TestContext,
  port: number,
  { target, options, act }: Case,
): Promise<Omit<Outcome, "disconnects">> {
  let client: WebSocketClient;
  try {
    client = await WebSocketClient.open(t, port, target, options);
  } catch (error) {
    if (!(error instanceof DeniedError)) throw error;
    return { denied: [error.response.statusCode, error.text] };
  }
  const messages: string[] = [];
  client.socket.on("message", (data: Buffer, isBinary) => {
    messages.push(isBinary ? data.toString("hex") : scopeOf(data.toString("utf8")));
  });
  if (target.startsWith("/told")) messages.push(scopeOf((await client.receive()) as string));
  await act?.(client);
  const { code, reason } = await client.waitUntilClosed();
  return {
    subprotocol: client.socket.protocol,
    messages: [...new Set(messages)],
    closed: `${code} ${reason}`,
  };
}

test("WebSockets are to an application and its clients what they are with uvicorn", async (t) => {
  const server = await startFixture(t, APPLICATION, { args: ["-k", "uvicorn.workers.UvicornWorker"] });
  const uvicorn = await startUvicorn(t, APPLICATION, ["--port", "0"]);
  for (const each of cases) {
    await t.test(each.name, async (t) => {
      const [own, other] = await Promise.all([play(t, server.port, each), play(t, uvicorn, each)]);
      if (differences.has(each.name)) assert.notDeepEqual(own, other, "the difference is gone: take it out");
      else assert.deepEqual(own, other);
    });
  }
});
