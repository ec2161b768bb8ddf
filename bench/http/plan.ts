import type { Options } from "./options.ts";
import { SERVERS } from "./servers/all.ts";
import type { Server } from "./servers/server.ts";
import { appFor, WORKS } from "./works/all.ts";
import type { Work } from "./works/work.ts";

/** Who takes part in a short run: tunicorn, what it replaces, and a limit. */
const SHORT_RUN = /^(tunicorn.*|gunicorn(-gthread|-uvicorn)?|node-http)$/;

/** One server on one work, measured once in every round. */
export interface Entry {
  readonly label: string;
  readonly server: Server;
  readonly work: Work;
}

/** The entries of a round, in order; the servers of a work follow one another, so that drift falls on all. */
export function planEntries(
  options: Pick<Options, "works" | "servers" | "base" | "isShort">,
): readonly Entry[] {
  return WORKS.filter((work) => options.works.includes(work.name)).flatMap((work) => {
    const names = options.servers ?? lineUp(work, options);
    return names.flatMap((name, index) => {
      const server = SERVERS.find((candidate) => candidate.name === name);
      if (server === undefined || appFor(work, server) === undefined) return [];
      return [{ label: labelOf(names, index), server, work }];
    });
  });
}

/** The server that a label stands for. */
export function serverOf(label: string): Server | undefined {
  const name = label.replace(/#\d+$/, "");
  return SERVERS.find((server) => server.name === name);
}

/** The work's own servers, each tunicorn followed by its base; in a short run without most of the peers. */
function lineUp(work: Work, options: Pick<Options, "base" | "isShort">): readonly string[] {
  return work.lineUp
    .filter((name) => !options.isShort || SHORT_RUN.test(name))
    .flatMap((name) => {
      const base = name.replace(/^tunicorn/, "base");
      return options.base !== undefined && base !== name ? [name, base] : [name];
    });
}

/** A server named twice is measured twice: `gunicorn`, `gunicorn#2`. */
function labelOf(names: readonly string[], index: number): string {
  const name = names[index] ?? "";
  const earlier = names.slice(0, index).filter((other) => other === name).length;
  return earlier === 0 ? name : `${name}#${earlier + 1}`;
}
