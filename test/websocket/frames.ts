import { randomBytes } from "node:crypto";
import { deflateRawSync, constants } from "node:zlib";

/** A frame of a case, as cases/README.md has it. */
export interface FrameCase {
  readonly op: string | number;
  readonly text?: string;
  readonly hex?: string;
  readonly repeat?: readonly [string, number];
  readonly code?: number | readonly number[];
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly masked?: boolean;
  readonly mask?: string;
  readonly lengthBits?: 16 | 64;
  readonly lengthHex?: string;
  readonly deflate?: boolean;
  readonly times?: number;
}

/** A frame that has come. */
export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Buffer;
}

const OPCODES: Readonly<Record<string, number>> = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
};

export const CLOSE = 8;

export function opcodeOf({ op }: FrameCase): number {
  const opcode = typeof op === "number" ? op : OPCODES[op];
  if (opcode === undefined) throw new Error(`Unknown frame ${op}`);
  return opcode;
}

/** The payload without a close's code. */
export function dataOf({ text, hex, repeat }: FrameCase): Buffer {
  if (hex !== undefined) return Buffer.from(hex, "hex");
  if (repeat !== undefined) return Buffer.alloc(repeat[1], repeat[0]);
  return Buffer.from(text ?? "");
}

function payloadOf(frame: FrameCase): Buffer {
  const data = dataOf(frame);
  if (frame.deflate === true) {
    const deflated = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH });
    // Without the empty block at its end (RFC 7692 section 7.2.1).
    return deflated.subarray(0, -4);
  }
  if (typeof frame.code !== "number") return data;
  return Buffer.concat([Buffer.from([frame.code >> 8, frame.code & 0xff]), data]);
}

/** The octets of a client's frame. */
export function encodeFrame(frame: FrameCase): Buffer {
  const payload = payloadOf(frame);
  const isMasked = frame.masked ?? true;
  const first = ((frame.fin ?? true) ? 0x80 : 0) | ((frame.rsv ?? 0) << 4) | opcodeOf(frame);
  const length =
    frame.lengthHex === undefined
      ? encodeLength(payload.length, frame.lengthBits)
      : Buffer.from(`7f${frame.lengthHex}`, "hex");
  length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0);
  const head = [Buffer.from([first]), length];
  if (!isMasked) return Buffer.concat([...head, payload]);
  const mask = frame.mask === undefined ? randomBytes(4) : Buffer.from(frame.mask, "hex");
  const masked = payload.map((octet, index) => octet ^ (mask[index % 4] ?? 0));
  return Buffer.concat([...head, mask, masked]);
}

function encodeLength(length: number, bits: 16 | 64 | undefined): Buffer {
  if (bits === undefined && length <= 125) return Buffer.from([length]);
  if (bits !== 64 && length <= 0xffff) return Buffer.from([126, length >> 8, length & 0xff]);
  const encoded = Buffer.alloc(9);
  encoded[0] = 127;
  encoded.writeBigUInt64BE(BigInt(length), 1);
  return encoded;
}

/** Takes a server's frame off the beginning; null when it is not complete. Throws for what no server may send. */
export function takeFrame(bytes: Buffer): { readonly frame: Frame; readonly rest: Buffer } | null {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return null;
  if ((second & 0x80) !== 0) throw new Error("The server has masked a frame");
  const short = second & 0x7f;
  const start = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < start) return null;
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (encodeLength(length, undefined).length !== start - 1)
    throw new Error(`The length ${length} is too long`);
  const end = start + length;
  if (bytes.length < end) return null;
  const frame = {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 0x0f,
    payload: bytes.subarray(start, end),
  };
  return { frame, rest: bytes.subarray(end) };
}
