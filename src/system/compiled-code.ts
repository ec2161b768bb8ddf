/**
 * Runs the programs of scripts/bundle.js with the code that V8 made of them at an earlier start, as Python does with its
 * .pyc files: reading and compiling the text again takes a third of what Node needs to start. What was compiled lies
 * beside the program, if this user may write there; without it a start takes longer and is the same otherwise.
 */
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import { hasOtherFlags, withoutLateFlags } from "./v8-flags.ts";

/** The last line of a program: what it was built from. Compiled code of another build must never run. */
const BUILD_LINE_LENGTH = "// build \n".length + 64;

/** Before the compiled code, what made it; a multiple of 8, since V8 copies what is not aligned. */
const HEADER_BYTES = 128;

/** The start is over, so that what it compiled is there; and then most have had requests, which a router compiles for too. */
const KEEP_AFTER_MS = [1000, 10_000];

/** A draft is there for a moment: who wrote one that is so old was killed meanwhile. */
const OLD_DRAFT_MS = 60_000;
const REMOVE_OLD_AFTER_MS = 1000;

/** Runs a program, and gives what it exports. */
export function loadProgram(name: "command" | "router"): unknown {
  const path = fileURLToPath(new URL(`../bundle/${name}-program.cjs`, import.meta.url));
  // V8 refuses what other flags have made, and source maps go Node's own way.
  if (hasOtherFlags()) return createRequire(path)(path);
  // Nothing but ASCII is in it, which is read sooner so.
  const source = readFileSync(path, "latin1");
  const maker = `${source.slice(-BUILD_LINE_LENGTH)}${process.version} ${process.arch}\n`;
  const header = Buffer.alloc(HEADER_BYTES, maker, "latin1");
  // A wheel holds an empty one (scripts/wheel.js), for pip to know what it has to remove.
  const compiledPath = `${path}.compiled`;
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}})`, {
    filename: path,
    cachedData: readCompiled(compiledPath, header),
  });
  if (script.cachedDataRejected !== false) {
    for (const delayMs of KEEP_AFTER_MS) {
      setTimeout(() => void keep(script, compiledPath, header), delayMs).unref();
    }
  }
  setTimeout(() => removeOldDrafts(compiledPath), REMOVE_OLD_AFTER_MS).unref();
  const run = script.runInThisContext() as (...names: unknown[]) => void;
  const module = { exports: {} };
  run.call(module.exports, module.exports, makeRequire(path), module, path, dirname(path));
  return module.exports;
}

/** Each file that became part of a program asks for its modules again, which Node answers slowly. */
function makeRequire(path: string): (name: string) => unknown {
  const require = createRequire(path);
  const found = new Map<string, unknown>();
  return (name) => {
    if (!found.has(name)) found.set(name, require(name));
    return found.get(name);
  };
}

function readCompiled(path: string, header: Buffer): Buffer | undefined {
  try {
    const data = readFileSync(path);
    return data.subarray(0, HEADER_BYTES).equals(header) ? data.subarray(HEADER_BYTES) : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the file whole or not at all, also when the machine stops: V8 trusts what it finds. */
async function keep(script: Script, path: string, header: Buffer): Promise<void> {
  const { open, rename, rm } = await import("node:fs/promises");
  const draft = `${path}.${process.pid}`;
  // A process that ends meanwhile waits for nothing that was begun.
  const removeDraft = (): void => rmSync(draft, { force: true });
  process.once("exit", removeDraft);
  try {
    const file = await open(draft, "wx", 0o644);
    try {
      const compiled = withoutLateFlags(() => script.createCachedData());
      await file.writeFile(Buffer.concat([header, compiled]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch {
    // Whoever may not write here starts without it.
    await rm(draft, { force: true }).catch(() => undefined);
  } finally {
    process.off("exit", removeDraft);
  }
}

/** Whoever may not remove them leaves them to one who may. */
function removeOldDrafts(compiledPath: string): void {
  const folder = dirname(compiledPath);
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(`${basename(compiledPath)}.`) || !/\.\d+$/.test(name)) continue;
      const draft = join(folder, name);
      if (Date.now() - statSync(draft).mtimeMs > OLD_DRAFT_MS) rmSync(draft);
    }
  } catch {
    // Another start may have removed it meanwhile.
  }
}
