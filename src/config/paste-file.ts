import { readFileSync } from "node:fs";

/** The file of FILE#SECTION. */
export function pasteFile(location: string): string {
  return location.replace(/#[^#/]*$/, "");
}

/** Whether a PasteDeploy file is a logging configuration too. */
export function hasLoggers(path: string): boolean {
  try {
    return /^\[loggers\]/m.test(readFileSync(path, "utf8"));
  } catch {
    // The setting's own check says that the file is not there.
    return false;
  }
}
