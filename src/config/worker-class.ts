import { TunicornError } from "../errors.ts";

/** What an application is called by. */
export type ApplicationInterface = "wsgi" | "asgi";

export interface WorkerClass {
  readonly interface: ApplicationInterface;
  /** Its workers are sent many requests at a time over their channels; others block, and pull one after another. */
  readonly multiplexes: boolean;
  /** The setting root_path is for its applications. */
  readonly takesRootPath?: boolean;
  /** The client is whom trusted X-Forwarded-For fields name. */
  readonly takesForwardedClient?: boolean;
}

const BLOCKING: WorkerClass = { interface: "wsgi", multiplexes: false };
const GREEN: WorkerClass = { interface: "wsgi", multiplexes: true };
const ASGI: WorkerClass = { interface: "asgi", multiplexes: true, takesRootPath: true };
const UVICORN: WorkerClass = { ...ASGI, takesForwardedClient: true };
/** Its requests travel as those of ASGI do: heads as they came, bodies as they come. */
const TORNADO: WorkerClass = { interface: "asgi", multiplexes: true };

/** The worker classes that are there, by each of their names. python/tunicorn/worker_classes.py has them too. */
const workerClasses: ReadonlyMap<string, WorkerClass> = new Map([
  ["sync", BLOCKING],
  ["gunicorn.workers.sync.SyncWorker", BLOCKING],
  ["gthread", BLOCKING],
  ["gunicorn.workers.gthread.ThreadWorker", BLOCKING],
  ["gevent", GREEN],
  ["gevent_wsgi", GREEN],
  ["gevent_pywsgi", GREEN],
  ["gunicorn.workers.ggevent.GeventWorker", GREEN],
  ["gunicorn.workers.ggevent.GeventPyWSGIWorker", GREEN],
  ["geventwebsocket.gunicorn.workers.GeventWebSocketWorker", GREEN],
  ["eventlet", GREEN],
  ["gunicorn.workers.geventlet.EventletWorker", GREEN],
  ["tornado", TORNADO],
  ["gunicorn.workers.gtornado.TornadoWorker", TORNADO],
  ["asgi", ASGI],
  ["gunicorn.workers.gasgi.ASGIWorker", ASGI],
  ["uvicorn.workers.UvicornWorker", UVICORN],
  ["uvicorn.workers.UvicornH11Worker", UVICORN],
  ["uvicorn_worker.UvicornWorker", UVICORN],
  ["uvicorn_worker.UvicornH11Worker", UVICORN],
  // Where uvicorn_worker defines them: a class in a configuration file is known by this name.
  ["uvicorn_worker._workers.UvicornWorker", UVICORN],
  ["uvicorn_worker._workers.UvicornH11Worker", UVICORN],
]);

/** A dotted path, or an entry point of a package: a class of the user's own, of which only Python knows what it is. */
export function isOwnWorkerClass(name: string): boolean {
  return !workerClasses.has(name) && (name.includes(".") || name.startsWith("egg:"));
}

/** Throws ERR_WORKER_CLASS for a name that means none. */
export function findWorkerClass(name: string): WorkerClass {
  const found = workerClasses.get(name);
  if (found !== undefined) return found;
  throw new TunicornError(
    "ERR_WORKER_CLASS",
    `There is no worker class "${name}", want sync, gthread, gevent, eventlet, tornado, asgi or a dotted path`,
    {
      hint: hintFor(name),
    },
  );
}

function hintFor(name: string): string {
  if (/uvicorn/i.test(name)) return "Write uvicorn.workers.UvicornWorker, or asgi";
  if (/thread/i.test(name)) return "Workers with threads are gthread: -k gthread --threads 4";
  return 'Use -k sync, or worker_class = "sync" in the configuration file; for ASGI applications -k asgi';
}
