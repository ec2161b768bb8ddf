import type { ErrorLog } from "../log/error-log.ts";
import { connectionsWithin } from "../system/descriptor-limit.ts";

/** Says so when clients will be turned away before there are as many as the setting allows. */
export function adviseConnections(wanted: number, descriptors: number, log: Pick<ErrorLog, "info">): void {
  const room = connectionsWithin(descriptors);
  if (room >= (wanted === 0 ? Infinity : wanted)) return;
  const setting = wanted === 0 ? "without a limit" : String(wanted);
  log.info(
    `A router takes ${room} connections, not ${setting} (max_connections): a process may have ${descriptors} files open (ulimit -n)`,
  );
}
