import { readdirSync, readlinkSync } from "node:fs";

/** The paths of the files below a folder that this process holds open; those that were removed end in " (deleted)". */
export function openFilesBelow(folder: string): string[] {
  return openDescriptors().filter((path) => path.startsWith(folder));
}

/** What the descriptors of this process lead to. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // The descriptor with which the folder itself was read.
    }
  });
}
