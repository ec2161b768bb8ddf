import { createServer, type Server } from "node:net";
import { acceptConnections, closeHandle, type AcceptedConnection } from "../system/accepting.ts";
import { afterWholeTurn } from "../system/whole-turn.ts";
import type { InheritedListener } from "./messages.ts";

/** A listener that is open: a server for each handle of its socket. */
interface OpenListener {
  readonly listener: InheritedListener;
  readonly servers: Server[];
}

/** The listening side of a router: listeners may come and go. */
export class ClientServers {
  readonly #onClient: (accepted: AcceptedConnection, listener: InheritedListener) => void;
  readonly #open = new Map<number, OpenListener>();
  #accepted = 0;

  constructor(onClient: (accepted: AcceptedConnection, listener: InheritedListener) => void) {
    this.#onClient = onClient;
  }

  /** Listens on a socket that is bound, whose handle came with a message. */
  async open(listener: InheritedListener, handle: object): Promise<void> {
    this.#open.set(listener.id, { listener, servers: [await this.#listen(listener, handle)] });
  }

  /** Listens by another handle of a socket too: Node accepts one connection from each in a turn of its event loop. */
  async widen(id: number, handle: object): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined) {
      closeHandle(handle);
      return;
    }
    const server = await this.#listen(open.listener, handle).catch(() => null);
    // It may have been closed meanwhile.
    if (server !== null && this.#open.get(id) === open) open.servers.push(server);
    else server?.close();
  }

  async #listen(listener: InheritedListener, handle: object): Promise<Server> {
    const server = createServer();
    await listening(server, () => {
      server.listen(handle, listener.backlog);
      acceptConnections(server, handle, (accepted) => {
        this.#accepted += 1;
        this.#onClient(accepted, listener);
      });
    });
    return server;
  }

  /** TCP ports on which it listens. */
  get ports(): ReadonlySet<number> {
    const addresses = [...this.#open.values()].map(({ servers }) => servers[0]?.address());
    return new Set(
      addresses.flatMap((each) => (typeof each === "object" && each !== null ? [each.port] : [])),
    );
  }

  /** Takes in what waits in the backlogs, and stops listening there: by default everywhere. */
  async drain(ids: readonly number[] = [...this.#open.keys()]): Promise<void> {
    await this.#emptyBacklogs(ids);
    this.close(ids);
  }

  /** Stops listening. Clients that wait in a backlog are served by whoever has the socket open, or reset. */
  close(ids: readonly number[] = [...this.#open.keys()]): void {
    for (const id of ids) {
      for (const server of this.#open.get(id)?.servers ?? []) server.close();
      this.#open.delete(id);
    }
  }

  /**
   * A backlog is empty when the event loop has polled once without accepting. Closing it earlier would
   * reset clients that are connected already. Those that keep coming are not waited for: all who were there
   * when it began have been accepted once as many have been as the backlogs can hold.
   */
  async #emptyBacklogs(ids: readonly number[]): Promise<void> {
    const room = ids.reduce((sum, id) => sum + (this.#open.get(id)?.listener.backlog ?? 0), 0);
    const limit = this.#accepted + room;
    let before = -1;
    while (before !== this.#accepted && this.#accepted <= limit) {
      before = this.#accepted;
      await nextPoll();
    }
  }
}

/** Resolves when the server listens; rejects when it cannot. */
export function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      // Running out of descriptors must not end the router: the next accept may work again.
      server.on("error", () => undefined);
      resolve();
    });
    listen();
  });
}

/** Resolves after the event loop has polled for input once more. */
function nextPoll(): Promise<void> {
  return new Promise((resolve) => {
    afterWholeTurn(resolve);
  });
}
