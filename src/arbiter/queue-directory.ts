import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { findWorkerClass } from "../config/worker-class.ts";
import { PLACE_BYTES, PLACES_LIMIT } from "../queue/ring-layout.ts";
import { createRing } from "../queue/ring.ts";
import { giveFile, type Identity } from "./identity.ts";
import { markOwner, removeLeftBehind } from "./left-behind.ts";

/** File systems that live in memory: what is stored in a mapped file of one is never written to a disk. */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** The private directory (mode 0700) of the shared queue: a ring for each router, a FIFO of tokens for each generation. */
export class QueueDirectory {
  readonly path: string;
  readonly #routers: number;

  /** Throws when the queue cannot be had in this folder; the error says why. */
  constructor(folder: string, routers: number) {
    this.#routers = routers;
    // mkfifo, tmpfs and readers that are woken one at a time: elsewhere nobody has tried.
    if (process.platform !== "linux") throw new Error(`${process.platform} is not supported`);
    // Workers read and store the ring's numbers as their processor does.
    if (endianness() !== "LE") throw new Error("the processor is not little-endian");
    if (!isInMemory(folder)) throw new Error(`"${folder}" is not a memory file system`);
    removeLeftBehind(folder);
    this.path = mkdtempSync(join(folder, "tunicorn-"));
    markOwner(this.path);
    try {
      const places = placesFor(folder, routers);
      for (const path of this.#ringPaths) createRing(path, places);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Its rings are there: nobody has cleaned the folder up. */
  get isIntact(): boolean {
    return this.#ringPaths.every((path) => existsSync(path));
  }

  ringPath(router: number): string {
    return join(this.path, `ring-${router}`);
  }

  get #ringPaths(): string[] {
    return Array.from({ length: this.#routers }, (_, router) => this.ringPath(router));
  }

  /** Where the mold of a generation makes the FIFO from which its workers pull; null: they do not. */
  tokensPath(generation: number, workerClass: string): string | null {
    // Workers that block pull their next request when they are idle; others are sent many at a time.
    return findWorkerClass(workerClass).multiplexes ? null : join(this.path, `tokens-${generation}`);
  }

  giveTo(identity: Identity): void {
    giveFile(this.path, identity);
    for (const path of this.#ringPaths) giveFile(path, identity);
  }

  removeTokens(generation: number): void {
    rmSync(join(this.path, `tokens-${generation}`), { force: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Places for bodies of each router: all together may take a quarter of what is free, for others use the folder too. */
function placesFor(folder: string, routers: number): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.min(PLACES_LIMIT, Math.floor((bavail * bsize) / 4 / PLACE_BYTES / routers));
}

function isInMemory(folder: string): boolean {
  const { type } = statfsSync(folder);
  return type === TMPFS_MAGIC || type === RAMFS_MAGIC;
}
