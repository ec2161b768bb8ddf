import { describeError } from "../errors.ts";
import { bindListeners, type BindingOptions } from "./binding.ts";
import type { ListenerChange, ListenerSet } from "./listener-set.ts";
import type { Listener } from "./listener.ts";
import type { Routers } from "./routers.ts";

/**
 * A reload with another `bind`. New addresses are bound before the next generation boots, so that a bad one
 * fails the reload; they are served before those that go are closed. Addresses that stay are not touched.
 */
export class Rebinding {
  readonly #listeners: ListenerSet;
  readonly #options: BindingOptions;
  readonly #change: ListenerChange;

  private constructor(listeners: ListenerSet, options: BindingOptions, change: ListenerChange) {
    this.#listeners = listeners;
    this.#options = options;
    this.#change = change;
  }

  /** Binds what can be bound beside the present listeners. Throws ERR_BIND. */
  static async prepare(
    listeners: ListenerSet,
    addresses: readonly string[],
    options: BindingOptions,
  ): Promise<Rebinding> {
    return new Rebinding(listeners, options, await listeners.prepare(addresses, options));
  }

  /** Lets go of what was bound: the reload has failed. */
  discard(): void {
    for (const listener of this.#change.added) listener.close();
  }

  /** Resolves when the router serves the new addresses, and no longer those that are gone. */
  async apply(router: Routers, isEncrypted: boolean): Promise<void> {
    const { added, gone, deferred } = this.#change;
    if (added.length + gone.length + deferred.length === 0) return;
    const { log } = this.#options;
    this.#listeners.commit(this.#change);
    await this.#open(added, router);
    const closed = router.closeListeners(gone.map(({ fd }) => fd));
    // A backlog that is being emptied must not be filled through us.
    this.#listeners.close(gone);
    await closed;
    if (deferred.length > 0) await this.#bindDeferred(router);
    if (gone.length > 0) log.info(`No longer listening at: ${urlsOf(gone, isEncrypted)}`);
    log.info(`Listening at: ${urlsOf(this.#listeners.all, isEncrypted)} (${process.pid})`);
  }

  async #bindDeferred(router: Routers): Promise<void> {
    try {
      const bound = await bindListeners(this.#change.deferred, this.#options);
      this.#listeners.add(bound);
      await this.#open(bound, router);
    } catch (error) {
      const { log, ending } = this.#options;
      if (!ending.aborted) log.critical(describeError(error));
    }
  }

  /** A port may be bound by two and listened on by one: what cannot be served is given up. */
  async #open(added: readonly Listener[], router: Routers): Promise<void> {
    for (const listener of added) {
      const error = await router.openListener(listener);
      if (error === null) continue;
      this.#options.log.error(`Cannot listen at ${listener.address}: ${error}`);
      this.#listeners.close([listener]);
    }
  }
}

/** As the log names them; `isEncrypted`: they speak TLS. */
export function urlsOf(listeners: readonly Listener[], isEncrypted: boolean): string {
  return listeners.map(({ url }) => (isEncrypted ? url.replace(/^http:/, "https:") : url)).join(",");
}
