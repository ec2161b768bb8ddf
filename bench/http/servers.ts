import { join } from "node:path";
import type { Interface } from "./works.ts";

export interface Paths {
  readonly root: string;
  /** Another built checkout of tunicorn, for before and after. */
  readonly base: string | undefined;
  readonly python: string;
}

export interface Launch {
  readonly paths: Paths;
  readonly app: string;
  readonly port: number;
  readonly workers: number;
  readonly accessLogFile: string;
}

export interface Server {
  readonly name: string;
  readonly speaks: Interface;
  /** Whether `Launch.accessLogFile` is written, one line per request; then its lines are audited. */
  readonly writesAccessLog: boolean;
  command(launch: Launch): readonly string[];
  versionCommand(paths: Paths): readonly string[];
}

export const SERVERS: readonly Server[] = [
  tunicorn("tunicorn", (paths) => paths.root),
  tunicorn("base", (paths) => paths.base ?? paths.root),
  {
    name: "gunicorn",
    speaks: "wsgi",
    writesAccessLog: true,
    command: (launch) => [
      launch.paths.python,
      "-m",
      "gunicorn",
      "--no-control-socket",
      ...commonArguments(launch),
    ],
    versionCommand: (paths) => [paths.python, "-m", "gunicorn", "--version"],
  },
  {
    name: "node-http",
    speaks: "raw",
    writesAccessLog: false,
    command: (launch) => [
      process.execPath,
      join(launch.paths.root, "bench/http/raw-hello.js"),
      String(launch.port),
    ],
    versionCommand: () => [process.execPath, "--version"],
  },
];

function tunicorn(name: string, checkout: (paths: Paths) => string): Server {
  const entry = (paths: Paths): string => join(checkout(paths), "bin/tunicorn.js");
  return {
    name,
    speaks: "wsgi",
    writesAccessLog: true,
    command: (launch) => [
      process.execPath,
      entry(launch.paths),
      "--python",
      launch.paths.python,
      ...commonArguments(launch),
    ],
    versionCommand: (paths) => [process.execPath, entry(paths), "--version"],
  };
}

/** What tunicorn and Gunicorn take alike: worker count, address, access log to a file, application. */
function commonArguments(launch: Launch): readonly string[] {
  return [
    "-w",
    String(launch.workers),
    "-b",
    `127.0.0.1:${launch.port}`,
    "--access-logfile",
    launch.accessLogFile,
    launch.app,
  ];
}
