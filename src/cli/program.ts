/** What bin/tunicorn.js runs. */
import { loadProgram } from "../system/compiled-code.ts";

export const { main } = loadProgram("command") as typeof import("./main.ts");
