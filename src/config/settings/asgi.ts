import { oneOf, wholeNumber } from "../parsers.ts";
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
] as const;
