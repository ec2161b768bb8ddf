import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Generator, GeneratorName } from "./load.ts";
import { own } from "./own.ts";
import { wrk } from "./wrk.ts";

/** wrk when it is on the PATH: it takes far less of the machine than a generator in JavaScript. */
export function chooseGenerator(wanted: GeneratorName | undefined): Generator {
  if (wanted === "own") return own;
  if (isOnPath("wrk")) return wrk;
  if (wanted === "wrk") throw new Error("wrk is not on the PATH: install it or leave --generator out");
  return own;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
