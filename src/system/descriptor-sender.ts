import { unlink } from "node:fs";
import { Socket } from "node:net";

/** What a pipe of Node is, as far as it is used here. */
interface PipeHandle {
  writeLatin1String(request: object, text: string, sent?: unknown): number;
}

/** `PipeConstants.IPC` of Node: a pipe over which sockets can be sent. */
const IPC = 2;

/**
 * Sends sockets over a unix connection (SCM_RIGHTS) to a process that Node has not started. Node has all that it
 * takes, but lends it to `child_process` alone; so the connection is one of the kind that this makes.
 */
export class DescriptorSender {
  readonly #connection: Socket;

  private constructor(connection: Socket) {
    this.#connection = connection;
    // The process at the other end is gone: what is sent then is nobody's.
    connection.on("error", () => connection.destroy());
  }

  /**
   * Connects to a process that listens at `path` for this alone: the path is removed then, also if that process was
   * killed meanwhile. `like`: any unix connection, to get Node's class of pipes from. Null when this Node has no
   * such pipe.
   */
  static connect(path: string, like: Socket): DescriptorSender | null {
    const handle = makePipe(like);
    if (handle === null) return null;
    const connection = new Socket({ handle, pauseOnCreate: true } as object);
    const removePath = (): void => unlink(path, () => undefined);
    connection.once("connect", removePath).once("error", removePath);
    connection.connect({ path });
    return new DescriptorSender(connection);
  }

  /** What is sent now goes out at once, so that a socket cannot be closed before. */
  get isReady(): boolean {
    const { connecting, destroyed, writableLength } = this.#connection;
    return !connecting && !destroyed && writableLength === 0;
  }

  /** Sends bytes, and with the first of them a socket, for which this must be ready. */
  send(bytes: Buffer, sent: Socket | null): void {
    const text = bytes.toString("latin1");
    const handle = handleOf(this.#connection) as PipeHandle | null;
    if (sent === null || handle === null) {
      this.#connection.write(text, "latin1");
      return;
    }
    const write = handle.writeLatin1String.bind(handle);
    handle.writeLatin1String = (request, each) => write(request, each, handleOf(sent));
    this.#connection.write(text, "latin1");
    Reflect.deleteProperty(handle, "writeLatin1String");
  }

  close(): void {
    this.#connection.destroy();
  }
}

function makePipe(like: Socket): object | null {
  const handle = handleOf(like);
  const Pipe: unknown = typeof handle === "object" && handle !== null ? handle.constructor : null;
  if (typeof Pipe !== "function" || Pipe.name !== "Pipe") return null;
  return Reflect.construct(Pipe, [IPC]) as object;
}

function handleOf(socket: Socket): unknown {
  return Reflect.get(socket, "_handle");
}
