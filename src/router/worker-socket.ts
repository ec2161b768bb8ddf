import type { Socket } from "node:net";
import { FrameReader, type FrameSink } from "../channel/frame-reader.ts";
import { TunicornError } from "../errors.ts";
import { hearLastWords } from "../system/last-words.ts";

/** What a worker's socket tells its channel. */
export interface WorkerSocketListener {
  readonly onFrame: FrameSink;
  /** Bytes have come; the frames in them follow. */
  readonly onHeard?: () => void;
  /** The worker sent what cannot be; its socket is closed. */
  readonly onProtocolError: (error: TunicornError) => void;
  readonly onClosed: () => void;
}

/** Reads the frames of a worker for as long as its socket lives. */
export function listenToWorker(socket: Socket, listener: WorkerSocketListener): void {
  const reader = new FrameReader(listener.onFrame);
  const onBytes = (bytes: Buffer): void => {
    listener.onHeard?.();
    try {
      reader.feed(bytes);
    } catch (error) {
      if (!(error instanceof TunicornError)) throw error;
      listener.onProtocolError(error);
      socket.destroy();
    }
  };
  socket.on("data", onBytes);
  hearLastWords(socket, (bytes) => {
    // What a paused socket has read already would come after it.
    if (socket.readableLength === 0) onBytes(bytes);
  });
  // A worker that is killed resets its socket; "close" follows.
  socket.on("error", () => socket.destroy());
  socket.on("close", listener.onClosed);
}
