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

A sync worker handles one request at a time. Two to four workers for each core are usual; more need memory
and do not make a busy machine faster. In a container, count the CPUs of its quota, not the cores of the
machine; when there are more workers than that, the log names the quota.`,
  }),
  setting({
    name: "worker_class",
    section: "Worker Processes",
    flags: ["--worker-class", "-k"],
    metavar: "CLASS",
    defaultValue: "sync",
    parse: workerClassName,
    doc: `How a worker handles requests: sync, one at a time; gthread, one per thread; gevent, eventlet, tornado, asgi, many.

asgi calls ASGI applications, tornado those of Tornado and WSGI, and the others WSGI applications. gevent,
eventlet and tornado need the library of their name. gevent and eventlet patch the standard library before the
application is imported. uvicorn.workers.UvicornWorker and its variants, also by their names in
uvicorn_worker, mean asgi with uvicorn's behaviour; uvicorn need not be installed. A dotted path names a class
of your own that derives from one of these. docs/workers.md says which to choose, and what such a class may
override.`,
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

One is enough for about eight cores. Several share the listeners and the queue. Limits on connections, bytes
and waiting requests apply to each of them. A change takes effect only when the server is restarted.`,
  }),
  setting({
    name: "threads",
    section: "Worker Processes",
    flags: ["--threads"],
    metavar: "INT",
    defaultValue: 1,
    parse: positiveNumber,
    doc: `Threads of each worker. Each thread handles one request at a time.

More than one thread means the class gthread, even if worker_class is sync. The application must be
thread-safe.`,
  }),
  setting({
    name: "worker_connections",
    section: "Worker Processes",
    flags: ["--worker-connections"],
    metavar: "INT",
    defaultValue: 1000,
    parse: wholeNumber,
    doc: `Requests and WebSockets that a worker with an event loop handles at a time; others wait in the queue.

It applies to gevent, eventlet, tornado and asgi.`,
  }),
  setting({
    name: "max_requests",
    section: "Worker Processes",
    flags: ["--max-requests"],
    metavar: "INT",
    defaultValue: 0,
    parse: wholeNumber,
    doc: `Requests after which a worker is replaced; 0: never. It limits the damage of an application that leaks memory.

The worker goes on until another one is ready in its place, and workers that are due together are replaced one
at a time. So a worker may handle a few more requests. Only 1 is exact: each request then waits for a process
of its own.`,
  }),
  setting({
    name: "max_requests_jitter",
    section: "Worker Processes",
    flags: ["--max-requests-jitter"],
    metavar: "INT",
    defaultValue: 0,
    parse: wholeNumber,
    doc: `A random number from 0 to this is added to max_requests for each worker, so that they do not all leave at once.`,
  }),
  setting({
    name: "max_worker_memory",
    section: "Worker Processes",
    flags: ["--max-worker-memory"],
    metavar: "BYTES",
    defaultValue: 0,
    parse: byteSize,
    isOwn: true,
    doc: `Memory above which a worker is replaced, in bytes or as 300M or 2G; 0: no limit.

What counts is the resident memory (RSS in ps), including pages that workers share. It is checked every
second. A worker that is too large finishes its requests first, so the setting limits leaks, not a single
request. If a worker takes more than this as soon as it has booted, the setting has no effect, and the log
says so.`,
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

It counts from the moment when the worker was ready. Workers that reach it together are replaced one at a
time.`,
  }),
  setting({
    name: "timeout",
    section: "Worker Processes",
    flags: ["--timeout", "-t"],
    metavar: "SECONDS",
    defaultValue: 30,
    parse: wholeNumber,
    doc: `Seconds that a worker may take to handle a request, or to boot; 0: no limit.

After that the client gets 504, the log names the request and shows where the code was, and the worker is
replaced. Time in which the worker only waits for a slow client does not count. With gevent, eventlet, tornado
and asgi it is the time for which the event loop may be blocked; a request may take as long as it likes.`,
  }),
  setting({
    name: "graceful_timeout",
    section: "Worker Processes",
    flags: ["--graceful-timeout"],
    metavar: "SECONDS",
    defaultValue: 30,
    parse: wholeNumber,
    doc: `Seconds for running requests to finish when the server stops or reloads; then they are cut off.`,
  }),
  setting({
    name: "keepalive",
    section: "Worker Processes",
    flags: ["--keep-alive"],
    metavar: "SECONDS",
    defaultValue: 2,
    parse: wholeNumber,
    doc: `Seconds for which an idle client connection is kept open for another request.

Idle connections occupy no worker. Behind a proxy that keeps connections, set it longer than the proxy does.`,
  }),
  setting({
    name: "http_parser",
    section: "Worker Processes",
    flags: ["--http-parser"],
    metavar: "NAME",
    defaultValue: "auto",
    parse: oneOf(["auto", "fast", "python"]),
    doc: `Which parser Gunicorn uses. tunicorn has only one, in the router, and ignores the value.`,
  }),
] as const;
