import type { BodyPlaces } from "../queue/body-places.ts";
import type { TlsServer } from "../http/tls-server.ts";
import type { AccessSink } from "../log/access-sink.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { TrustedPeers } from "./client.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import type { RouterSettings } from "./messages.ts";
import type { OverloadNotice } from "./overload-notice.ts";
import type { Tunnels } from "./tunnels.ts";
import type { WebSocketUpgrader } from "./websocket-upgrader.ts";

/** What every request of a router shares. It changes when the router is configured anew. */
export interface RouterContext {
  readonly settings: RouterSettings;
  /** Peers whose scheme headers count. */
  readonly trustedPeers: TrustedPeers;
  /** Peers that may connect at all, when connections come from proxies only; null: everybody. */
  readonly frontPeers: TrustedPeers | null;
  /** What new connections are encrypted by; null: nothing. */
  readonly tls: TlsServer | null;
  readonly dispatcher: Dispatcher;
  /** Where large request bodies may be put for workers that pull; null: they do not. */
  readonly bodyPlaces: () => BodyPlaces | null;
  readonly tunnels: Tunnels;
  /** What all bodies in passing may take. */
  readonly budget: BufferBudget;
  readonly errorLog: ErrorLog;
  readonly overload: OverloadNotice;
  /**
   * Told of every answered request; null: nobody wants to hear of them. Asked when a request is over, since a
   * reload may have put another in its place meanwhile.
   */
  readonly accessLog: () => AccessSink | null;
  /** The access log may ask for response fields, so they are kept until the line is written. */
  readonly needsResponseFields: boolean;
  readonly webSockets: WebSocketUpgrader;
  /** Directory for bodies that are too large for memory. */
  readonly bodyDirectory: string;
}
