import { parseBindAddress } from "../config/bind-address.ts";
import { lookUp } from "../system/look-up.ts";
import type { SocketFile } from "../router/messages.ts";
import { adoptListener, bindListeners, type BindingOptions } from "./binding.ts";
import type { Inheritance, InheritedSocket } from "./inherited-sockets.ts";
import type { Listener } from "./listener.ts";

/** What a reload with another `bind` makes of the listeners; nothing of it holds before commit(). */
export interface ListenerChange {
  readonly kept: readonly Listener[];
  /** Bound already, for a router to listen on. */
  readonly added: readonly Listener[];
  readonly gone: readonly Listener[];
  /** Addresses that can be bound only when those that go are closed: they have a port in common. */
  readonly deferred: readonly string[];
}

/** All listening sockets of the arbiter. */
export class ListenerSet {
  readonly #inheritance: Inheritance;
  #listeners: Listener[] = [];
  #isShared: boolean;
  /** Nobody is to accept for us at the moment (WINCH). */
  isPaused = false;
  /** Those that we let go of while they were shared. */
  #left: Listener[] = [];

  constructor(inheritance: Inheritance) {
    this.#inheritance = inheritance;
    this.#isShared = inheritance.predecessor !== null;
  }

  /** Another arbiter has the sockets too: what we let go of, it goes on serving. */
  get isShared(): boolean {
    return this.#isShared;
  }

  set isShared(isShared: boolean) {
    this.#isShared = isShared;
    if (isShared) return;
    for (const listener of this.#left) listener.close();
    this.#left = [];
  }

  get all(): readonly Listener[] {
    return this.#listeners;
  }

  /** Those that a router is to listen on. */
  get served(): readonly Listener[] {
    return this.isPaused ? [] : this.#listeners;
  }

  /** Files of unix sockets that nobody else is going to remove. */
  get files(): readonly SocketFile[] {
    if (this.#isShared) return [];
    return this.#listeners.flatMap(({ socketFile }) => (socketFile === null ? [] : [socketFile]));
  }

  /** They were passed to us by somebody who decides where we listen: `bind` has no effect. */
  get replacesBind(): boolean {
    return this.#inheritance.replacesBind;
  }

  /** Takes over what was inherited and binds the rest. Throws ERR_BIND. */
  async open(addresses: readonly string[], options: BindingOptions): Promise<void> {
    const inherited = this.#inheritance.sockets.map((socket) => adopt(socket));
    if (this.replacesBind) {
      this.#listeners = inherited;
      return;
    }
    const { kept, missing, rest } = await match(addresses, inherited);
    // Nobody will serve them once the arbiter before us has left.
    for (const listener of rest) listener.release();
    this.#left = rest;
    this.#listeners = [...kept, ...(await bindListeners(missing, options))];
  }

  /** Binds what a changed `bind` names anew. Throws ERR_BIND. */
  async prepare(addresses: readonly string[], options: BindingOptions): Promise<ListenerChange> {
    if (this.replacesBind) return { kept: this.#listeners, added: [], gone: [], deferred: [] };
    const { kept, missing, rest } = await match(addresses, this.#listeners);
    const ports = new Set(rest.map(({ serverPort }) => serverPort));
    const isDeferred = (text: string): boolean => {
      const address = parseBindAddress(text);
      return address.type === "tcp" && ports.has(String(address.port));
    };
    const added = await bindListeners(
      missing.filter((text) => !isDeferred(text)),
      options,
    );
    return { kept, added, gone: rest, deferred: missing.filter(isDeferred) };
  }

  /** The change holds from now on; who closes the sockets that go is the caller. */
  commit({ kept, added }: ListenerChange): void {
    this.#listeners = [...kept, ...added];
  }

  add(listeners: readonly Listener[]): void {
    this.#listeners.push(...listeners);
  }

  /** Lets go of sockets, by default all; their files are removed unless somebody else serves them. */
  close(listeners: readonly Listener[] = this.#listeners): void {
    for (const listener of listeners) {
      if (this.#isShared) listener.release();
      else listener.close();
    }
    if (this.#isShared) this.#left.push(...listeners);
    this.#listeners = this.#listeners.filter((listener) => !listeners.includes(listener));
  }
}

interface Match {
  readonly kept: Listener[];
  /** Addresses without a listener. */
  readonly missing: string[];
  /** Listeners without an address. */
  readonly rest: Listener[];
}

/** Finds the listener of each address; one that is named twice, such as port 0, needs two. */
async function match(addresses: readonly string[], listeners: readonly Listener[]): Promise<Match> {
  const rest = [...listeners];
  const kept: Listener[] = [];
  const missing: string[] = [];
  for (const text of addresses) {
    const key = await keyOf(text);
    const keys = await Promise.all(rest.map((listener) => keyOf(listener.address)));
    const index = keys.indexOf(key);
    if (index < 0) missing.push(text);
    else kept.push(...rest.splice(index, 1));
  }
  return { kept, missing, rest };
}

/** Two addresses with the same key are one, however they are written. */
async function keyOf(text: string): Promise<string> {
  const address = parseBindAddress(text);
  if (address.type !== "tcp") return JSON.stringify(address);
  const host = await lookUp(address.host).catch(() => address.host);
  return `${host} ${address.port}`;
}

function adopt({ fd, address, ownsFile }: InheritedSocket): Listener {
  return adoptListener(address ?? `fd://${fd}`, fd, ownsFile);
}
