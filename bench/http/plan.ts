import type { Options } from "./options.ts";
import { SERVERS, type Server } from "./servers.ts";
import { appFor, WORKS, type Work } from "./works.ts";

/** One server on one work, measured once in every round. */
export interface Entry {
  readonly label: string;
  readonly server: Server;
  readonly work: Work;
}

/** The entries of a round, in order; the servers of a work follow one another, so that drift falls on all. */
export function planEntries(options: Options): readonly Entry[] {
  const labelled = options.servers.map((name, index) => ({
    label: labelOf(options.servers, index),
    server: SERVERS.find((server) => server.name === name),
  }));
  return WORKS.filter((work) => options.works.includes(work.name)).flatMap((work) =>
    labelled.flatMap(({ label, server }) =>
      server !== undefined && appFor(work, server) !== undefined ? [{ label, server, work }] : [],
    ),
  );
}

/** A server named twice is measured twice: `gunicorn`, `gunicorn#2`. */
function labelOf(names: readonly string[], index: number): string {
  const name = names[index] ?? "";
  const earlier = names.slice(0, index).filter((other) => other === name).length;
  return earlier === 0 ? name : `${name}#${earlier + 1}`;
}
