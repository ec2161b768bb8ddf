import type { Launch, Peer, WorkerClass } from "./server.ts";
import { commonArguments } from "./tunicorn.ts";

/** Which of its two parsers: the C one comes only with the extra `gunicorn[fast]`. */
type Parser = "python" | "fast" | "auto";

export const GUNICORNS: readonly Peer[] = [
  gunicorn("gunicorn", "sync", "python"),
  gunicorn("gunicorn-fast", "sync", "fast"),
  gunicorn("gunicorn-gthread", "gthread", "python"),
  gunicorn("gunicorn-gevent", "gevent", "python"),
  gunicorn("gunicorn-asgi", "asgi", "auto"),
  gunicorn("gunicorn-uvicorn", "asgi", "python", "uvicorn_worker.UvicornWorker"),
];

function gunicorn(
  name: string,
  workerClass: WorkerClass,
  parser: Parser,
  worker: string = workerClass,
): Peer {
  const threads = (launch: Launch): readonly string[] =>
    workerClass === "gthread" ? ["--threads", String(launch.threads)] : [];
  return {
    type: "peer",
    name,
    workerClass,
    speaks: workerClass === "asgi" ? "asgi" : "wsgi",
    accessLog: "file",
    command: (launch) => [
      ...[launch.paths.python, "-m", "gunicorn", "--no-control-socket"],
      ...["-k", worker, ...threads(launch), "--http-parser", parser],
      ...commonArguments(launch),
      launch.app,
    ],
    versionCommand: ({ python }) =>
      parser === "fast"
        ? [python, "-c", "import gunicorn, gunicorn_h1c; print(gunicorn.__version__)"]
        : [python, "-m", "gunicorn", "--version"],
  };
}
