import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder that holds bin/, dist/ and package.json. */
const root = fileURLToPath(new URL("../..", import.meta.url));

const below = join(root, "python", "tunicorn");

/**
 * The folder of the Python package `tunicorn`. In a checkout and in the npm package it lies below ours; in the
 * Python wheel ours lies in it.
 */
export const pythonPackage: string = existsSync(below) ? below : join(root, "..");
