/** What the arbiter starts as a router. */
import { loadProgram } from "../system/compiled-code.ts";

loadProgram("router");
