/** What the client's side of a connection tells the request that it serves. */
export interface ClientRequest {
  /** Bytes of the request body that are in memory. */
  readonly memoryBytes: number;
  /** The head is there: gets ready for the body, or refuses it. */
  begin(): void;
  /** A piece of the body has come. */
  addBody(bytes: Buffer): void;
  /** The request is complete. */
  complete(): void;
  /** The client has sent everything and closed its side; is it still there to read? */
  onClientDone(): void;
  /** The client has taken everything that was written. */
  onDrain(): void;
  /** The server is leaving: what would last for ever ends. */
  leave(how: { readonly isReplaced: boolean }): void;
  /** Memory is short: what takes much of it without a limit of time is given up. */
  shed(): void;
  /** Nobody waits for the response any more. */
  cancel(): void;
  /** The client is gone before all was sent: the request is cancelled, and its access line written. */
  onClientGone(): void;
  /** All is over: the access line is written. `status`: what was answered instead of a response. */
  finish(status?: number): void;
}
