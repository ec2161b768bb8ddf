import { join } from "node:path";
import type { Interface } from "../works/work.ts";
import type { Launch, Paths, Tunicorn, WorkerClass } from "./server.ts";

const CLASSES: readonly WorkerClass[] = ["sync", "gthread", "gevent", "asgi"];

/** By interface, an application that every class can load. */
const PROBES: Readonly<Partial<Record<Interface, string>>> = { wsgi: "hello:app", asgi: "hello_asgi:app" };

export const TUNICORNS: readonly Tunicorn[] = [
  ...CLASSES.map((workerClass) => tunicorn("subject", workerClass)),
  ...CLASSES.map((workerClass) => tunicorn("base", workerClass)),
];

function tunicorn(type: Tunicorn["type"], workerClass: WorkerClass): Tunicorn {
  const checkout = (paths: Paths): string => (type === "base" ? (paths.base ?? paths.root) : paths.root);
  const program = (paths: Paths): readonly string[] => [paths.node, join(checkout(paths), "bin/tunicorn.js")];
  const stem = type === "base" ? "base" : "tunicorn";
  const speaks = workerClass === "asgi" ? "asgi" : "wsgi";
  const classArguments = (launch?: Launch): readonly string[] => [
    ...["-k", workerClass],
    ...(workerClass === "gthread" ? ["--threads", String(launch?.threads ?? 2)] : []),
  ];
  return {
    type,
    name: workerClass === "sync" ? stem : `${stem}-${workerClass}`,
    workerClass,
    speaks,
    accessLog: "file",
    command: (launch) => [
      ...program(launch.paths),
      ...["--python", launch.paths.python],
      ...classArguments(launch),
      ...commonArguments(launch),
      ...launch.paths.tunicornArguments,
      launch.app,
    ],
    versionCommand: (paths) => [...program(paths), "--version"],
    checkCommand: (paths) => [
      ...program(paths),
      ...["--python", paths.python],
      ...classArguments(),
      ...paths.tunicornArguments,
      "--check-config",
      PROBES[speaks] ?? "",
    ],
  };
}

/** What tunicorn and Gunicorn take alike: worker count, address, access log to a file. */
export function commonArguments(launch: Launch): readonly string[] {
  return [
    ...["-w", String(launch.workers)],
    ...["-b", `127.0.0.1:${launch.port}`],
    ...["--access-logfile", launch.accessLogFile],
  ];
}
