import { oneOf, byteSize, positiveNumber, seconds, text, wholeNumber } from "../parsers.ts";
import { setting, WantedError } from "../setting.ts";

/** More would not fit into what a token says of its router, and into the path of a socket. */
const ROUTERS_LIMIT = 100;

function routerCount(input: unknown): number {
  const count = positiveNumber(input);
  if (count > ROUTERS_LIMIT) throw new WantedError(`a whole number from 1 to ${ROUTERS_LIMIT}`);
  return count;
}

/** Gunicorn's own classes have names of entry points, too. */
function workerClassName(input: unknown): string {
  const name = text(input);
  return name === "egg:gunicorn" ? "sync" : name.replace(/^(?:egg:gunicorn)?#+/, "");
}

export const workerProcessesSettings = [
  setting({
    name: "workers",
    section: "Worker Processes",
    flags: ["--workers", "-w"],
    metavar: "INT",
    defaultValue: 1,
    environment: { variable: "WEB_CONCURRENCY", toValue: (count) => count },
    parse: positiveNumber,
    doc: `Number of worker processes.

Each handles one request at a time with the sync class. Two to four for each core is usual; more cost
memory and do not make a busy machine faster. In a container what counts is its CPU quota, not the machine's
cores; the log names the quota when there are more workers.`,
  }),
  setting({
    name: "worker_class",
    section: "Worker Processes",
    flags: ["--worker-class", "-k"],
    metavar: "CLASS",
    defaultValue: "sync",
    parse: workerClassName,
    doc: `How a worker handles requests: sync, one at a time; gthread, one a thread; gevent, eventlet, tornado, asgi, many.

asgi calls ASGI applications, tornado those of Tornado and of WSGI, the others those of WSGI. gevent, eventlet and
tornado need the library of their name; the first two patch the standard library before the application is
imported. uvicorn.workers.UvicornWorker and its
kind, also by their names in uvicorn_worker, mean asgi as uvicorn does it; uvicorn need not be installed.
A dotted path names a class of your own that derives
from one of these. docs/workers.md says which to choose, and what such a class may override.`,
  }),
  setting({
    name: "routers",
    section: "Worker Processes",
    flags: ["--routers"],
    metavar: "INT",
    isOwn: true,
    defaultValue: 1,
    parse: routerCount,
    doc: `Number of router processes, which hold the client connections.

One is enough for about eight cores; more share the listeners and the queue. What is said in connections, bytes
and waiting requests holds for each of them. A change takes effect when the server is started anew.`,
  }),
  setting({
    name: "threads",
    section: "Worker Processes",
    flags: ["--threads"],
    metavar: "INT",
    defaultValue: 1,
    parse: positiveNumber,
    doc: `Threads of each worker, each of which handles one request at a time.

More than one means the class gthread, also where worker_class says sync. The application must be safe for threads.`,
  }),
  setting({
    name: "worker_connections",
    section: "Worker Processes",
    flags: ["--worker-connections"],
    metavar: "INT",
    defaultValue: 1000,
    parse: wholeNumber,
    doc: `Requests and WebSockets that a worker with a loop handles at a time; further ones wait in the queue.

A sync worker has one request, whatever is said here.`,
  }),
  setting({
    name: "max_requests",
    section: "Worker Processes",
    flags: ["--max-requests"],
    metavar: "INT",
    defaultValue: 0,
    parse: wholeNumber,
    doc: `Requests after which a worker is replaced; 0: never. It bounds what a leaking application can take.

The worker serves on until another is ready in its place, and of several that are due only one is replaced at
a time, so it may handle a few more. 1 is exact: each request has a process of its own, and waits for it.`,
  }),
  setting({
    name: "max_requests_jitter",
    section: "Worker Processes",
    flags: ["--max-requests-jitter"],
    metavar: "INT",
    defaultValue: 0,
    parse: wholeNumber,
    doc: `A random number from 0 to this is added to max_requests for each worker, so that not all leave at once.`,
  }),
  setting({
    name: "max_worker_memory",
    section: "Worker Processes",
    flags: ["--max-worker-memory"],
    metavar: "BYTES",
    defaultValue: 0,
    parse: byteSize,
    isOwn: true,
    doc: `Memory above which a worker is replaced, in bytes or as 300M or 2G; 0: any.

What counts is the resident memory that ps shows (RSS), with the pages that workers share. It is looked at
every second, and a worker that is too large finishes its requests first: it bounds leaks, not a single
request. A value below what a worker takes when it has just booted has no effect, and the log says so.`,
  }),
  setting({
    name: "max_worker_age",
    section: "Worker Processes",
    flags: ["--max-worker-age"],
    metavar: "SECONDS",
    defaultValue: 0,
    parse: seconds,
    isOwn: true,
    doc: `Time after which a worker is replaced, in seconds or as 90m, 12h or 1d; 0: never.

It counts from when the worker was ready. Workers that reach it together are replaced one after the other.`,
  }),
  setting({
    name: "timeout",
    section: "Worker Processes",
    flags: ["--timeout", "-t"],
    metavar: "SECONDS",
    defaultValue: 30,
    parse: wholeNumber,
    doc: `Seconds that a worker may take for a request, or to boot; 0: no limit.

Then the client gets 504, the log names the request and shows where the code was, and the worker is
replaced. Time in which a worker only waits for a slow client does not count. With gevent, eventlet, tornado and
asgi it is how long the loop may stand still; a request may take as long as it likes.`,
  }),
  setting({
    name: "graceful_timeout",
    section: "Worker Processes",
    flags: ["--graceful-timeout"],
    metavar: "SECONDS",
    defaultValue: 30,
    parse: wholeNumber,
    doc: `Seconds for requests under way to finish when the server stops or reloads; then they are cut off.`,
  }),
  setting({
    name: "keepalive",
    section: "Worker Processes",
    flags: ["--keep-alive"],
    metavar: "SECONDS",
    defaultValue: 2,
    parse: wholeNumber,
    doc: `Seconds that an idle client connection is kept for a further request.

Idle connections cost no worker. Behind a proxy it should be longer than the proxy's own time.`,
  }),
  setting({
    name: "http_parser",
    section: "Worker Processes",
    flags: ["--http-parser"],
    metavar: "NAME",
    defaultValue: "auto",
    parse: oneOf(["auto", "fast", "python"]),
    doc: `Which parser reads requests, for Gunicorn. Here there is one, in the router, whatever is said.`,
  }),
] as const;
