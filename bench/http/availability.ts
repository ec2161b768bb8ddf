import { runChild } from "./measure/child.ts";
import type { ExitGuard } from "./measure/exit-guard.ts";
import type { Paths, Server } from "./servers/server.ts";

export type Availability =
  | { readonly type: "available"; readonly version: string }
  /** `reason`: what the reader needs to know, in one line. */
  | { readonly type: "left-out"; readonly reason: string };

const DEADLINE_MS = 20_000;

/** Whether a server runs here at all: a peer is installed, a checkout of tunicorn has the worker class. */
export async function probe(
  server: Server,
  options: { readonly paths: Paths; readonly cwd: string; readonly guard: ExitGuard },
): Promise<Availability> {
  const { paths, cwd, guard } = options;
  const run = (command: readonly string[]): Promise<string> =>
    runChild({ command, deadlineMs: DEADLINE_MS, guard, cwd });
  try {
    const version = (await run(server.versionCommand(paths))).trim().replaceAll("\n", " ");
    if ("checkCommand" in server) await run(server.checkCommand(paths));
    return { type: "available", version };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { type: "left-out", reason: `${server.name}: ${complaintOf(text)}` };
  }
}

/** The line that says what is wrong: of a Python traceback the last, of tunicorn's messages the first of its own. */
function complaintOf(text: string): string {
  const lines = text
    .split("\n")
    .slice(1)
    .filter((line) => line.trim() !== "");
  return (lines.find((line) => line.startsWith("tunicorn: ")) ?? lines.at(-1) ?? text).trim();
}
