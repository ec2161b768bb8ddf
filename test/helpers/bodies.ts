import { createHash } from "node:crypto";

import type { Answer } from "./client.ts";

export const BODY_SIZES = [0, 1, 64 * 1024, 10 * 1024 * 1024] as const;

/** The bytes that fixtures/apps/big.py and the client programs send: 0 to 255 over and over. */
export function countingBytes(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Array.from({ length: 256 }, (_, value) => value)));
}

/** What fixtures/apps/bodies/plain.py answers to `/seeded/SEED/LENGTH`. */
export function seededBytes(seed: number, length: number): Buffer {
  const digests = Array.from({ length: 1024 }, (_, number) =>
    createHash("sha256").update(`${seed} ${number}`).digest(),
  );
  return Buffer.alloc(length, Buffer.concat(digests));
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The head fields and the body of a form with a name and an uploaded file. */
export function multipart(upload: Buffer): {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
} {
  const boundary = "between-the-parts";
  const name = `--${boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\nÄnne\r\n`;
  const disposition = `Content-Disposition: form-data; name="upload"; filename="upload.bin"`;
  const head = `${name}--${boundary}\r\n${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  return {
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), upload, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

/** What fixtures/apps/echo.py tells of a request. */
export interface Echo {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly protocol: string;
  readonly scheme: string;
  readonly client: string;
  readonly client_port: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body_length: number;
  readonly body_sha256: string;
}

export function parseEcho(answer: Answer | string): Echo {
  if (typeof answer === "string") {
    return JSON.parse(answer) as Echo;
  }
  if (answer.status !== 200) {
    throw new Error(`Not an echo: ${answer.status} ${answer.reason}\n${answer.text}`);
  }
  return JSON.parse(answer.text) as Echo;
}
