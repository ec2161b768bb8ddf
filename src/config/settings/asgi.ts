import { boolean, oneOf, wholeNumber } from "../parsers.ts";
import { setting } from "../setting.ts";

/** Of the worker class asgi, and of those of uvicorn. */
export const asgiSettings = [
  setting({
    name: "asgi_loop",
    section: "Worker Processes",
    flags: ["--asgi-loop"],
    metavar: "LOOP",
    defaultValue: "auto",
    parse: oneOf(["auto", "asyncio", "uvloop"]),
    doc: `The event loop of ASGI workers: asyncio, uvloop, or auto: uvloop where it is installed.`,
  }),
  setting({
    name: "asgi_lifespan",
    section: "Worker Processes",
    flags: ["--asgi-lifespan"],
    metavar: "WHEN",
    defaultValue: "auto",
    parse: oneOf(["auto", "on", "off"]),
    doc: `Whether an ASGI application is told when its worker starts and ends: on, off or auto.

With auto an application that raises at its start is served nevertheless, since it may know nothing of the
protocol; the log shows what it raised. With on it is an error. One that says itself that its startup
failed is not served in either case.`,
  }),
  setting({
    name: "asgi_disconnect_grace_period",
    section: "Worker Processes",
    flags: ["--asgi-disconnect-grace-period"],
    metavar: "SECONDS",
    defaultValue: 3,
    parse: wholeNumber,
    doc: `Seconds that an ASGI call may go on when its client has left before the response was complete.

The application gets http.disconnect at once, and the time to clean up; then its task is cancelled. What it
does after a complete response is never cancelled by this. Without effect with uvicorn's worker classes.`,
  }),
  setting({
    name: "websocket_max_message_size",
    section: "Worker Processes",
    flags: ["--websocket-max-message-size"],
    metavar: "BYTES",
    defaultValue: 16 * 1024 * 1024,
    parse: wholeNumber,
    doc: `Bytes of a message that the client of a WebSocket sends; 0: no limit. A larger one closes it with 1009.

A message is in memory, of router and worker, until it is complete.`,
  }),
  setting({
    name: "websocket_max_message_rate",
    section: "Worker Processes",
    flags: ["--websocket-max-message-rate"],
    metavar: "MESSAGES",
    isOwn: true,
    defaultValue: 0,
    parse: wholeNumber,
    doc: `Messages that the client of a WebSocket may send in a second; 0: no limit. More close it with 1008.

A second's worth may come at once. Pings and pongs count as messages do; the fragments of a message do not, of
which there may be 16,384. A client is not to blame for what comes late because the application did not receive.`,
  }),
  setting({
    name: "websocket_compression",
    section: "Worker Processes",
    flags: ["--no-websocket-compression"],
    metavar: null,
    switchValue: false,
    isOwn: true,
    defaultValue: true,
    parse: boolean,
    doc: `Whether the messages of WebSockets are compressed (permessage-deflate); the flag turns it off.

Messages below 1 KiB are sent as they are. Each is compressed by itself, and with a small window, which
takes less memory for each WebSocket than the best compression would.`,
  }),
  setting({
    name: "websocket_ping_interval",
    section: "Worker Processes",
    flags: ["--websocket-ping-interval"],
    metavar: "SECONDS",
    isOwn: true,
    defaultValue: 20,
    parse: wholeNumber,
    doc: `Seconds between two pings to the client of a WebSocket; 0: none is sent.`,
  }),
  setting({
    name: "websocket_ping_timeout",
    section: "Worker Processes",
    flags: ["--websocket-ping-timeout"],
    metavar: "SECONDS",
    isOwn: true,
    defaultValue: 20,
    parse: wholeNumber,
    doc: `Seconds for the client of a WebSocket to answer a ping; 0: any time. Then it is cut off.`,
  }),
] as const;
