/** What the arbiter starts as a router. */
import { loadProgram } from "../system/compiled-code.ts";
import { setLateFlags } from "../system/v8-flags.ts";

loadProgram("router");
void setLateFlags();
