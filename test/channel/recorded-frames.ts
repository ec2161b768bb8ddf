import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { FrameFlag, FrameType } from "../../src/channel/frame.ts";
import { repositoryRoot } from "../helpers/server.ts";

export const framesFolder = join(repositoryRoot, "test/frames");

export interface RecordedFrame {
  readonly name: string;
  /** The header and the payload. */
  readonly octets: Buffer;
  readonly type: number;
  readonly flags: number;
  readonly aux: number;
  readonly stream: number;
  readonly direction: "to-router" | "to-worker";
  readonly hello?: unknown;
  readonly epoch?: number;
  readonly claim?: number;
  readonly environ?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly contentLength?: number | null;
  readonly reason?: string;
  readonly fieldLines?: string;
  /** REQUEST, with placed-body. */
  readonly place?: number;
  readonly start?: number;
  readonly length?: number;
  readonly path?: string;
  readonly entries?: string;
  /** LENT: null when nothing is lent. */
  readonly head?: string | null;
  /** RETURNED. */
  readonly written?: number;
  /** WINDOW. */
  readonly bytes?: number;
  readonly subprotocol?: string;
  /** REQUEST for an ASGI application. */
  readonly asgi?: RecordedAsgiHead;
}

export interface RecordedAsgiHead {
  readonly method: string;
  readonly httpVersion: string;
  readonly scheme: string;
  readonly rootPath: string;
  readonly rawPath: string;
  readonly query: string;
  readonly client: readonly [string, number] | null;
  readonly server: readonly [string, number | null] | null;
  readonly headers: readonly (readonly [string, string])[];
}

/** The text of an ASGI head, as frame.md draws it. */
export function asgiHeadText(head: RecordedAsgiHead): string {
  const { method, httpVersion, scheme, rootPath, rawPath, query, client, server, headers } = head;
  const addresses = [...(client ?? ["", ""]), ...(server ?? ["", ""])].map((part) => String(part ?? ""));
  return [method, httpVersion, scheme, rootPath, rawPath, query, ...addresses, ...headers.flat()].join("\0");
}

interface Entry extends Omit<RecordedFrame, "name" | "octets" | "type" | "flags"> {
  readonly type: string;
  readonly flags: readonly string[];
}

const types: Readonly<Record<string, number>> = {
  ...FrameType,
  "file-answer": FrameType.fileAnswer,
  "request-body": FrameType.requestBody,
};

const flagBits: Readonly<Record<string, number>> = {
  end: FrameFlag.end,
  ready: FrameFlag.ready,
  last: FrameFlag.last,
  "file-body": FrameFlag.fileBody,
  "awaits-continue": FrameFlag.awaitsContinue,
  websocket: FrameFlag.webSocket,
  text: FrameFlag.text,
  "placed-body": FrameFlag.placedBody,
};

/** All of test/frames, in the order of frames.json. */
export const recordedFrames: readonly RecordedFrame[] = readFrames();

function readFrames(): RecordedFrame[] {
  const entries = JSON.parse(readFileSync(join(framesFolder, "frames.json"), "utf8")) as Record<
    string,
    Entry
  >;
  const files = readdirSync(framesFolder).filter((name) => name.endsWith(".bin"));
  const undescribed = files.filter((name) => entries[name.replace(/\.bin$/, "")] === undefined);
  if (undescribed.length > 0) {
    throw new Error(`frames.json does not describe ${undescribed.join(", ")}`);
  }
  return Object.entries(entries).map(([name, entry]) => ({
    ...entry,
    name,
    octets: readFileSync(join(framesFolder, `${name}.bin`)),
    type: numberOf(types, entry.type),
    flags: entry.flags.reduce((bits, flag) => bits | numberOf(flagBits, flag), 0),
  }));
}

function numberOf(table: Readonly<Record<string, number>>, name: string): number {
  const found = table[name];
  if (found === undefined) {
    throw new Error(`frames.json has the unknown word ${name}`);
  }
  return found;
}

/** What only a worker that multiplexes says. */
export const streamTypes: ReadonlySet<number> = new Set([
  FrameType.pong,
  FrameType.window,
  FrameType.trailers,
  FrameType.accept,
  FrameType.message,
  FrameType.close,
  FrameType.control,
]);

export function recordedFrame(name: string): RecordedFrame {
  const found = recordedFrames.find((frame) => frame.name === name);
  if (found === undefined) {
    throw new Error(`There is no frame ${name} in test/frames`);
  }
  return found;
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
