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
    doc: `The event loop of ASGI workers: asyncio, uvloop, or auto (uvloop if it is installed).`,
  }),
  setting({
    name: "asgi_lifespan",
    section: "Worker Processes",
    flags: ["--asgi-lifespan"],
    metavar: "WHEN",
    defaultValue: "auto",
    parse: oneOf(["auto", "on", "off"]),
    doc: `Whether an ASGI application is told when its worker starts and ends: on, off or auto.

With auto, an application that raises an exception at its start is served nevertheless, since it may not know
this protocol; the log shows the exception. With on, it is an error. An application that itself reports that
its startup failed is never served.`,
  }),
  setting({
    name: "asgi_disconnect_grace_period",
    section: "Worker Processes",
    flags: ["--asgi-disconnect-grace-period"],
    metavar: "SECONDS",
    defaultValue: 3,
    parse: wholeNumber,
    doc: `Seconds for which an ASGI call may go on after its client has left before the response was complete.

The application gets http.disconnect at once and has this time to clean up; then its task is cancelled. A call
whose response is complete is never cancelled by this setting. It has no effect with uvicorn's worker classes.`,
  }),
  setting({
    name: "websocket_max_message_size",
    section: "Worker Processes",
    flags: ["--websocket-max-message-size"],
    metavar: "BYTES",
    defaultValue: 16 * 1024 * 1024,
    parse: wholeNumber,
    doc: `Largest message in bytes that a WebSocket client may send; 0: no limit. A larger one closes it with 1009.

Until a message is complete, it is in the memory of router and worker.`,
  }),
  setting({
    name: "websocket_max_message_rate",
    section: "Worker Processes",
    flags: ["--websocket-max-message-rate"],
    metavar: "MESSAGES",
    isOwn: true,
    defaultValue: 0,
    parse: wholeNumber,
    doc: `Messages that a WebSocket client may send in a second; 0: no limit. More of them close it with 1008.

All messages of a second may come at once. Pings and pongs count as messages, fragments do not; a message may
have 16,384 fragments. Messages that pile up because the application does not receive them do not count
against the client.`,
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
    doc: `Whether WebSocket messages are compressed (permessage-deflate); the flag turns it off.

Messages below 1 KiB are sent uncompressed. Each message is compressed on its own and with a small window,
which needs less memory for each WebSocket than the best compression would.`,
  }),
  setting({
    name: "websocket_ping_interval",
    section: "Worker Processes",
    flags: ["--websocket-ping-interval"],
    metavar: "SECONDS",
    isOwn: true,
    defaultValue: 20,
    parse: wholeNumber,
    doc: `Seconds between two pings to a WebSocket client; 0: no pings.`,
  }),
  setting({
    name: "websocket_ping_timeout",
    section: "Worker Processes",
    flags: ["--websocket-ping-timeout"],
    metavar: "SECONDS",
    isOwn: true,
    defaultValue: 20,
    parse: wholeNumber,
    doc: `Seconds for a WebSocket client to answer a ping before it is cut off; 0: no limit.`,
  }),
] as const;
