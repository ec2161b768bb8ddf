import { GUNICORNS } from "./gunicorn.ts";
import { LIMITS } from "./limits.ts";
import { PEERS } from "./peers.ts";
import type { Server } from "./server.ts";
import { TUNICORNS } from "./tunicorn.ts";

export const SERVERS: readonly Server[] = [...TUNICORNS, ...GUNICORNS, ...PEERS, ...LIMITS];
