import type { Socket } from "node:net";
import { encodeLent } from "../channel/messages.ts";
import { TunicornError } from "../errors.ts";
import type { LentResponse } from "../http/exchange.ts";
import { DescriptorSender } from "../system/descriptor-sender.ts";

/** Lends clients' sockets to one worker (or one of its threads), over a connection of its own beside the channel. */
export class SocketLender {
  readonly #channel: Socket;
  #sender: DescriptorSender | null = null;

  constructor(channel: Socket) {
    this.#channel = channel;
  }

  /** The worker listens at `path`. */
  dial(path: string): void {
    this.#sender ??= DescriptorSender.connect(path, this.#channel);
  }

  /** A socket that is lent now goes out at once. */
  get isReady(): boolean {
    return this.#sender?.isReady === true;
  }

  /** Answers a worker that would write a response itself; null: it cannot. Throws ERR_PROTOCOL without a connection. */
  answer(stream: number, lent: LentResponse | null): void {
    if (this.#sender === null)
      throw new TunicornError("ERR_PROTOCOL", "A worker that was not dialled would borrow a socket");
    this.#sender.send(encodeLent(stream, lent?.head ?? null), lent?.socket ?? null);
  }

  close(): void {
    this.#sender?.close();
  }
}
