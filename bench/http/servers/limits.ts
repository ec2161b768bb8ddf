import { join } from "node:path";
import type { Limit } from "./server.ts";

export const LIMITS: readonly Limit[] = [
  raw("node-http", "raw-http.js"),
  raw("node-net", "raw-net.js"),
  loop("loop", "wsgi"),
  loop("loop-asgi", "asgi"),
];

/** Node alone, in one process. */
function raw(name: string, program: string): Limit {
  return {
    type: "limit",
    name,
    speaks: "raw",
    accessLog: "none",
    isServer: true,
    command: (launch) => [
      launch.paths.node,
      join(launch.paths.root, "bench/http/servers", program),
      String(launch.port),
    ],
    versionCommand: ({ node }) => [node, "--version"],
  };
}

/** The application alone, called in as many processes as there are workers. */
function loop(name: string, speaks: "wsgi" | "asgi"): Limit {
  return {
    type: "limit",
    name,
    speaks,
    accessLog: "none",
    isServer: false,
    command: (launch) => [launch.paths.python, join(launch.paths.root, "bench/http/servers/call_in_loop.py")],
    versionCommand: ({ python }) => [python, "--version"],
  };
}
