import type { ErrorLog } from "../log/error-log.ts";
import type { CpuQuota } from "../system/cpu-quota.ts";

/** Names the CPU quota of a container that has fewer CPUs than workers. */
export function adviseWorkers(
  workers: number,
  quota: CpuQuota | null,
  log: Pick<ErrorLog, "info" | "warning">,
): void {
  // One worker is what there has to be.
  if (quota === null || workers === 1 || workers <= quota.cpus) return;
  const cpus = Number(quota.cpus.toFixed(2));
  const usual = Math.ceil(quota.cpus) * 2 + 1;
  const text = `${workers} workers share a quota of ${cpus} ${cpus === 1 ? "CPU" : "CPUs"} (${quota.file})`;
  if (workers <= usual) log.info(text);
  else log.warning(`${text}; at most ${usual} are usual for it, twice the CPUs and one`);
}
