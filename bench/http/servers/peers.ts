import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Launch, Peer } from "./server.ts";

/** Gunicorn's format, for uWSGI. */
const COMBINED_FORMAT =
  '%(addr) - %(user) [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(size) "%(referer)" "%(uagent)"';

/** Python's own servers, each in the configuration that its documentation gives for production. */
export const PEERS: readonly Peer[] = [
  {
    type: "peer",
    name: "uvicorn",
    workerClass: "asgi",
    speaks: "asgi",
    accessLog: "stdout",
    command: (launch) => [
      ...[launch.paths.python, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools"],
      ...["--workers", String(launch.workers), "--host", "127.0.0.1", "--port", String(launch.port)],
      launch.app,
    ],
    versionCommand: ({ python }) => [
      python,
      "-c",
      "import uvicorn, uvloop, httptools; print(uvicorn.__version__, uvloop.__version__, httptools.__version__)",
    ],
  },
  granian("granian", "wsgi"),
  granian("granian-asgi", "asgi"),
  uwsgi("uwsgi", "sync"),
  uwsgi("uwsgi-threads", "gthread"),
  byProgram("waitress", undefined),
  byProgram("bjoern", "sync"),
];

function granian(name: string, speaks: "wsgi" | "asgi"): Peer {
  return {
    type: "peer",
    name,
    workerClass: speaks === "asgi" ? "asgi" : "gthread",
    speaks,
    accessLog: "stdout",
    command: (launch) => [
      ...[launch.paths.python, "-m", "granian", "--interface", speaks, "--access-log"],
      ...["--workers", String(launch.workers), "--host", "127.0.0.1", "--port", String(launch.port)],
      // Left alone it takes 128 threads for each worker, and warns that this is too many.
      ...(speaks === "wsgi" ? ["--blocking-threads", String(launch.threads)] : []),
      launch.app,
    ],
    versionCommand: ({ python }) => [python, "-m", "granian", "--version"],
  };
}

function uwsgi(name: string, workerClass: "sync" | "gthread"): Peer {
  const threads = (launch: Launch): readonly string[] =>
    workerClass === "gthread" ? ["--threads", String(launch.threads)] : [];
  return {
    type: "peer",
    name,
    workerClass,
    speaks: "wsgi",
    accessLog: "file",
    command: (launch) => [
      join(launch.paths.python, "../uwsgi"),
      // Its keep-alive socket gives each worker to one client for as long as that stays: two of 64 would be served.
      ...["--http-socket", `127.0.0.1:${launch.port}`, "--add-header", "Connection: close"],
      ...[
        "--master",
        "--need-app",
        "--die-on-term",
        "--processes",
        String(launch.workers),
        ...threads(launch),
      ],
      ...["--listen", String(Math.min(1024, listenLimit()))],
      // Written by the workers themselves: a "req-logger" loses lines under load.
      ...["--logto", launch.accessLogFile, "--logformat", COMBINED_FORMAT],
      ...["--module", launch.app],
    ],
    versionCommand: ({ python }) => [join(python, "../uwsgi"), "--version"],
  };
}

/** uWSGI does not start with a longer backlog than this. */
function listenLimit(): number {
  return Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
}

/** Servers without an access log: our program serves the application with one around it. */
function byProgram(name: "waitress" | "bjoern", workerClass: "sync" | undefined): Peer {
  const version = `import ${name}; from importlib.metadata import version; print(version("${name}"))`;
  return {
    type: "peer",
    name,
    workerClass,
    speaks: "wsgi",
    accessLog: "file",
    command: ({ paths, app, port, workers, threads, accessLogFile }) => [
      paths.python,
      join(paths.root, "bench/http/servers/serve_wsgi.py"),
      ...[name, app, String(port), String(workers), String(threads), accessLogFile],
    ],
    versionCommand: ({ python }) => [python, "-c", version],
  };
}
