import { FRAME_HEADER_BYTES, FrameFlag, FrameType, readFrameHeader, type FrameHeader } from "./frame.ts";

/** Receives frames. `payload` is complete, except for body frames, whose pieces come as they arrive. */
export type FrameSink = (header: FrameHeader, payload: Buffer) => void;

const EMPTY = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames. A body frame is passed on piece by piece without waiting for its end:
 * each piece comes under the frame's header, and only the last one carries the frame's flags.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #rest: Buffer = EMPTY;
  #body: FrameHeader | null = null;
  #bodyLeft = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Takes bytes as they come, and keeps none of them. Throws ERR_PROTOCOL on a frame that cannot be. */
  feed(bytes: Buffer): void {
    const isOwn = this.#rest.length > 0;
    let input = isOwn ? Buffer.concat([this.#rest, bytes]) : bytes;
    this.#rest = EMPTY;
    while (input.length > 0) {
      if (this.#body !== null) {
        input = this.#passBody(this.#body, input);
        continue;
      }
      if (input.length < FRAME_HEADER_BYTES) break;
      const header = readFrameHeader(input, 0);
      if (header.type === FrameType.body && header.payloadBytes > 0) {
        this.#body = header;
        this.#bodyLeft = header.payloadBytes;
        input = input.subarray(FRAME_HEADER_BYTES);
        continue;
      }
      const end = FRAME_HEADER_BYTES + header.payloadBytes;
      if (input.length < end) break;
      this.#sink(header, input.subarray(FRAME_HEADER_BYTES, end));
      input = input.subarray(end);
    }
    if (input.length > 0) this.#rest = isOwn ? input : Buffer.from(input);
  }

  #passBody(header: FrameHeader, input: Buffer): Buffer {
    const size = Math.min(input.length, this.#bodyLeft);
    this.#bodyLeft -= size;
    const isLast = this.#bodyLeft === 0;
    if (isLast) this.#body = null;
    const flags = isLast ? header.flags : header.flags & ~(FrameFlag.end | FrameFlag.ready | FrameFlag.last);
    this.#sink({ ...header, payloadBytes: size, flags }, input.subarray(0, size));
    return input.subarray(size);
  }
}
