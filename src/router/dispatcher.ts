import type { FilePart, RequestBody, ResponseMessage } from "../channel/messages.ts";
import type { MessagePart, StreamMessage } from "../channel/stream-messages.ts";
import type { ApplicationInterface } from "../config/worker-class.ts";
import type { LentResponse } from "../http/exchange.ts";

export type AcceptMessage = Extract<StreamMessage, { type: "accept" }>;

/** Why a request gets no response, or no more of it, from its worker. */
export type RequestFailure =
  /** The application raised, and the worker logged it. */
  | "raised"
  /** The worker process is gone. */
  | "worker-died"
  /** The worker took longer than the worker timeout. */
  | "worker-timeout"
  /** Too many requests wait for a worker, or it waited too long: it was not started. */
  | "overloaded";

/** A complete request on its way to an application, and where its response goes. */
export interface WorkerRequest {
  /** When it began to wait for a worker, in milliseconds of `performance.now()`. */
  readonly submittedAt: number;
  /** Cooked environ, as frame.md draws it. */
  readonly environ: string;
  readonly body: RequestBody;
  /** The body is to be read by a worker that does not see the ring. Absent: it never lies there. */
  takeBodyOut?(): void;
  readonly method: string;
  readonly target: string;
  /** Body bytes that it was given are still on their way to the client, or to a file. */
  readonly keepsBytes: boolean;
  /** Absent: the request is complete, and the response is one that every worker gives. */
  readonly streaming?: StreamingRequest;
  /** A worker may have it from now on, until `onWithdrawn` or `onReleased`. */
  onIssued(): void;
  /** No worker has begun it, and none will: it waits again. */
  onWithdrawn(): void;
  /** A worker has it from now on. */
  onStart(worker: RequestWorker): void;
  onResponse(message: ResponseMessage): void;
  onBody(bytes: Buffer, isEnd: boolean): void;
  /** Entries of the environ that the application has changed, for the access log. */
  onEnviron(entries: string): void;
  onInterim(status: number, fieldLines: Buffer): void;
  /** The application takes the connection of the client over. Absent: there is no way to. */
  onTunnel?(): void;
  /** Its worker takes no further requests, and leaves when it has none. Absent: that changes nothing. */
  onRetire?(): void;
  /** The rest of the body is in a file. False: it could not be opened, and the worker sends it. */
  onFile(file: FilePart): Promise<boolean>;
  /** The worker wants to write the response to the client itself. Null, or absent: it must send it like any other. */
  onBorrow?(message: ResponseMessage): LentResponse | null;
  /** The worker has written this many octets of head and body to the client. `isEnd`: the response is complete. */
  onReturned?(writtenBytes: number, isEnd: boolean): void;
  onFailure(failure: RequestFailure): void;
  /** The worker that had it, whether or not it was told to go on, has nothing to do with it any more. */
  onReleased(): void;
}

/** What a request may ask of the worker that has it. */
export interface RequestWorker {
  readonly pid: number;
  /** Stop and go on reading the response: the client is slower than the application. */
  pause(): void;
  resume(): void;
  /** The client is gone. */
  cancel(): void;
}

/** What a request hears beyond that from a worker that multiplexes. */
export interface StreamingRequest {
  readonly interface: ApplicationInterface;
  /** It may become a WebSocket. */
  readonly isWebSocket: boolean;
  /** What goes to the worker with the head, and the flags of the frame. */
  takeOpening(): Opening;
  /** A worker has it from now on, with its opening. */
  onStream(worker: StreamWorker): void;
  /** The worker takes more of the body, or of messages. */
  onWindow(): void;
  /** The response ends with these field lines. */
  onTrailers(fieldLines: Buffer): void;
  /** The application opens the WebSocket. */
  onAccept(message: AcceptMessage): void;
  /** The application pings the client. */
  onPing(data: Buffer): void;
  onMessage(part: MessagePart): void;
  /** Its worker takes no further requests, and leaves when it has none. */
  onRetire(): void;
  onClose(code: number, reason: string): void;
}

export interface Opening {
  /** Cooked for the application's interface. */
  readonly head: string;
  readonly body: Extract<RequestBody, { type: "memory" }>;
  readonly flags: number;
}

/** What a request may ask of a worker that multiplexes. */
export interface StreamWorker extends RequestWorker {
  /** Bytes of the request that it takes for now; 0 or less: none. */
  readonly room: number;
  sendBody(piece: Buffer, isEnd: boolean): void;
  /** The client has closed its side; it may be gone. */
  closeSide(): void;
  /** It is an open WebSocket from now on: it takes a place in the worker, but mostly no time. */
  onOpened(): void;
  sendMessage(message: Buffer, isText: boolean): void;
  /** A ping or pong of the client. */
  sendControl(opcode: number, data: Buffer): void;
  sendClose(code: number, reason: string): void;
  /** This many bytes, of a message that was taken or of what was not passed on, leave room for as many new ones. */
  takeBack(bytes: number): void;
}

/** Brings requests to workers. */
export interface Dispatcher {
  /** Takes a request, which a worker begins as soon as one is free. */
  submit(request: WorkerRequest): void;
  /** The client of a request that no worker has yet is gone. */
  cancel(request: WorkerRequest): void;
}
