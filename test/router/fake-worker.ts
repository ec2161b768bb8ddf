import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "../../src/channel/frame.ts";
import { FrameReader } from "../../src/channel/frame-reader.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

export const END = 1;
export const READY = 2;
export const LAST = 4;

export interface Frame {
  readonly type: number;
  readonly flags?: number;
  readonly aux?: number;
  readonly stream?: number;
  readonly payload?: Buffer | string;
}

export function encodeFrame({ type, flags = 0, aux = 0, stream = 0, payload = "" }: Frame): Buffer {
  const bytes = Buffer.from(payload);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + bytes.length);
  writeFrameHeader(frame, 0, { payloadBytes: bytes.length, type, flags, aux, stream });
  bytes.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

export function hello(worker: number, generation = 1, { isPulling = false, thread = 0 } = {}): Frame {
  const payload = JSON.stringify({
    version: 1,
    pid: 4000 + worker,
    worker,
    generation,
    isPulling,
    thread,
  });
  return { type: FrameType.hello, payload };
}

/** How a worker introduces itself that multiplexes. */
export function multiplexingHello(worker: number, { generation = 1, credit = 100 } = {}): Frame {
  const multiplexing = { credit, interface: "wsgi" };
  const channel = { version: 1, pid: 4000 + worker, worker, generation, isPulling: false, thread: 0 };
  const payload = JSON.stringify({ ...channel, multiplexing });
  return { type: FrameType.hello, payload };
}

export const pong: Frame = { type: FrameType.pong };

export const ready: Frame = { type: FrameType.ready };
export const leaving: Frame = { type: FrameType.leaving };

/** A response without field lines; its flags say whether it is whole. */
export function response(stream: number, body: string, flags: number): Frame {
  const prefix = Buffer.alloc(16, 0xff);
  prefix.writeUInt32LE(2, 0);
  prefix.writeUInt32LE(0, 4);
  const payload = Buffer.concat([prefix, Buffer.from(`OK${body}`)]);
  return { type: FrameType.response, flags, aux: 200, stream, payload };
}

export function bodyPiece(stream: number, body: string, flags = 0): Frame {
  return { type: FrameType.body, flags, stream, payload: body };
}

export function failed(stream: number, flags = END): Frame {
  return { type: FrameType.failed, flags, stream };
}

export function interim(stream: number, status: number, fieldLines: string): Frame {
  return { type: FrameType.interim, aux: status, stream, payload: fieldLines };
}

export function environ(stream: number, entries: string): Frame {
  return { type: FrameType.environ, stream, payload: entries };
}

export function file(stream: number, start: number, length: number, path: string): Frame {
  const prefix = Buffer.alloc(16);
  prefix.writeBigUInt64LE(BigInt(start), 0);
  prefix.writeBigUInt64LE(BigInt(length), 8);
  return { type: FrameType.file, stream, payload: Buffer.concat([prefix, Buffer.from(path)]) };
}

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly aux: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A worker that says what the test tells it to, on a real connection to the router's end. */
export class FakeWorker {
  readonly #socket: Socket;
  readonly #received: ReceivedFrame[] = [];
  #taken = 0;
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader(({ type, flags, aux, stream }, payload) => {
      this.#received.push({ type, flags, aux, stream, payload });
      this.#wake();
    });
    socket.on("data", (bytes: Buffer) => reader.feed(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  /** Sends frames in one write; bytes go as they are. */
  send(...frames: readonly (Frame | Buffer)[]): void {
    this.#socket.write(
      Buffer.concat(frames.map((frame) => (Buffer.isBuffer(frame) ? frame : encodeFrame(frame)))),
    );
  }

  /** The next frame from the router. */
  async receive(): Promise<ReceivedFrame> {
    await this.#until(() => this.#received.length > this.#taken, "a frame from the router");
    const frame = this.#received[this.#taken];
    if (frame === undefined) {
      throw new Error("The router ended the channel instead of sending a frame");
    }
    this.#taken += 1;
    return frame;
  }

  /** Resolves when the router has ended the channel; what came before it must have been read. */
  async waitForEnd(): Promise<void> {
    await this.#until(() => this.#isEnded, "the end of the channel");
    const unread = this.#received.slice(this.#taken);
    if (unread.length > 0) {
      throw new Error(`Before its end the router sent ${JSON.stringify(unread)}`);
    }
  }

  /** Leaves, as a worker does that was told to. */
  end(): void {
    this.#socket.end();
  }

  /** Dies. */
  destroy(): void {
    this.#socket.destroy();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!holds() && !this.#isEnded) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await withDeadline(wait(), { deadlineMs: ANSWER_DEADLINE_MS, what });
  }
}

/** Where workers dial: each dialled connection is given to `onSocket` on the router's side. */
export async function openChannelServer(
  t: TestContext,
  onSocket: (socket: Socket) => void,
): Promise<{ dial: () => Promise<FakeWorker> }> {
  const path = join(await temporaryFolder(t), "router.sock");
  const sockets = new Set<Socket>();
  let onAccepted: () => void = () => {};
  const server = createServer((socket) => {
    sockets.add(socket);
    onSocket(socket);
    onAccepted();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTeardown(t, async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await new Promise<unknown>((resolve) => server.close(resolve));
  });
  const dial = async (): Promise<FakeWorker> => {
    const accepted = new Promise<void>((resolve) => {
      onAccepted = resolve;
    });
    const socket = connect(path);
    sockets.add(socket);
    await withDeadline(accepted, { deadlineMs: ANSWER_DEADLINE_MS, what: "a dialled channel" });
    return new FakeWorker(socket);
  };
  return { dial };
}
