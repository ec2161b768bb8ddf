/** The slow clients, in a process of their own: `crowd.ts` starts it and speaks with it over IPC. */
import { SLOWNESS, SlowClient, type SlowKind } from "./slow-client.ts";

/** What the process is told, in its one argument. */
export interface CrowdOptions {
  readonly port: number;
  readonly counts: Readonly<Record<SlowKind, number>>;
}

export type CrowdMessage =
  | { readonly type: "under-way"; readonly afterMs: number }
  /** Sent when they have gone. `ends`: by kind, how often the server had ended a connection. */
  | { readonly type: "left"; readonly ends: Readonly<Record<SlowKind, number>>; readonly readBytes: number };

const LOOK_MS = 20;

const { port, counts } = JSON.parse(process.argv[2] ?? "") as CrowdOptions;
const startedMs = performance.now();
const come = (kind: SlowKind): readonly SlowClient[] =>
  Array.from({ length: counts[kind] }, () => new SlowClient(port, SLOWNESS[kind]));
const crowd = { upload: come("upload"), head: come("head"), reader: come("reader") };
const all = Object.values(crowd).flat();

const look = setInterval(() => {
  if (!all.every((client) => client.isUnderWay)) return;
  clearInterval(look);
  tell({ type: "under-way", afterMs: performance.now() - startedMs });
}, LOOK_MS);

process.on("message", () => {
  clearInterval(look);
  for (const client of all) client.leave();
  const ends = { upload: endsOf("upload"), head: endsOf("head"), reader: endsOf("reader") };
  tell({ type: "left", ends, readBytes: sum(crowd.reader.map((client) => client.receivedBytes)) });
  process.disconnect();
});
process.on("disconnect", () => process.exit());

function tell(message: CrowdMessage): void {
  process.send?.(message);
}

function endsOf(kind: SlowKind): number {
  return sum(crowd[kind].map((client) => client.ends));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
