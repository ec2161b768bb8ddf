/** `prepare`: builds after `npm ci`, so that a checkout works at once. A package that is installed is built already. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build, root } from "./steps.js";

const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
if (existsSync(join(root, "src")) && existsSync(compiler)) build();
