import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";

import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { startFixture } from "../helpers/server.ts";
import { CLOSE, dataOf, encodeFrame, opcodeOf, type Frame, type FrameCase } from "./frames.ts";
import { RawClient } from "./raw-client.ts";

/** As cases/README.md has it. */
interface Case {
  readonly name: string;
  readonly section: string;
  readonly offer?: string;
  readonly agreed?: string | null;
  readonly send: readonly (FrameCase | { readonly await: number })[];
  readonly chop?: number;
  readonly expect: readonly FrameCase[];
  readonly mayHave?: readonly FrameCase[];
}

const folder = new URL("cases/", import.meta.url);

function readCases(file: string): Case[] {
  const lines = readFileSync(new URL(file, folder), "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Case);
}

async function play(client: RawClient, { send, chop, expect }: Case): Promise<void> {
  for (const item of send) {
    if ("await" in item) {
      await client.until(() => client.frames.length >= item.await);
      continue;
    }
    const bytes = encodeFrame(item);
    for (let count = item.times ?? 1; count > 0; count -= 1) await sendChopped(client, bytes, chop);
  }
  await client.until(() => client.frames.length >= expect.length || client.closeFrame !== undefined);
  const hasClosed = send.some((item) => "op" in item && item.op === "close");
  // Either the first word of the closing handshake, or the answer to the server's.
  if (!hasClosed || expect.at(-1)?.op !== "close") client.send(encodeFrame({ op: "close", code: 1000 }));
  await client.until(() => client.isEnded);
}

async function sendChopped(client: RawClient, bytes: Buffer, pieceBytes = bytes.length): Promise<void> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    client.send(bytes.subarray(start, start + pieceBytes));
    if (pieceBytes < bytes.length) await new Promise((resolve) => setImmediate(resolve));
  }
}

function isAsExpected({ fin, rsv, opcode, payload }: Frame, expected: FrameCase): boolean {
  if (!fin || rsv !== 0 || opcode !== opcodeOf(expected)) return false;
  const { code } = expected;
  if (code === undefined) return payload.equals(dataOf(expected));
  const codes = typeof code === "number" ? [code] : code;
  if (payload.length < 2 || !codes.includes(payload.readUInt16BE(0))) return false;
  // The reason of a failure is for people.
  const isEcho = expected.text !== undefined || expected.hex !== undefined || expected.repeat !== undefined;
  return !isEcho || payload.subarray(2).equals(dataOf(expected));
}

function describe({ fin, rsv, opcode, payload }: Frame): string {
  const shown = payload.toString("hex", 0, 16);
  return `fin ${fin} rsv ${rsv} opcode ${opcode} with ${payload.length} octets: ${shown}`;
}

test("WebSockets are as RFC 6455 and RFC 7692 want them", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: ["-k", "asgi"] });
  const agreedOf = (head: string): string | null =>
    /^sec-websocket-extensions: (.*?)\r?$/im.exec(head)?.[1] ?? null;

  for (const file of readdirSync(folder).filter((name) => name.endsWith(".jsonl"))) {
    await t.test(basename(file, ".jsonl"), async (t) => {
      for (const each of readCases(file)) {
        await t.test(`${each.name} (RFC ${each.section})`, async () => {
          const client = new RawClient(server.port);
          try {
            client.shakeHands(each.offer);
            const played = (async () => {
              await client.until(() => client.head !== "");
              await play(client, each);
            })();
            await withDeadline(played, {
              deadlineMs: ANSWER_DEADLINE_MS,
              what: () => `the end of it, after ${client.frames.map(describe).join("; ")}`,
            });
            assert.ifError(client.failure);
            assert.match(client.head, /^HTTP\/1\.1 101 /);
            if (each.agreed !== undefined) assert.equal(agreedOf(client.head), each.agreed);
            const optional = each.mayHave ?? [];
            const frames = client.frames.filter(
              (frame) => !optional.some((allowed) => isAsExpected(frame, allowed)),
            );
            const closesItself = each.expect.at(-1)?.op === "close";
            const expected = closesItself ? each.expect : [...each.expect, { op: "close", code: 1000 }];
            assert.ok(
              frames.length === expected.length &&
                expected.every((frame, index) => isAsExpected(frames[index] as Frame, frame)),
              `came: ${frames.map(describe).join("; ")}\nwanted: ${JSON.stringify(expected).slice(0, 500)}`,
            );
            assert.equal(client.frames.at(-1)?.opcode, CLOSE);
          } finally {
            client.destroy();
          }
        });
      }
    });
  }

  await t.test("and no case has left an error behind", () => {
    assert.doesNotMatch(server.text, /\[(ERROR|CRITICAL)\]|Traceback/);
  });
});
