import { CPU_PARTS, type CpuPart, type CpuProfile } from "../measure/cpu-profile.ts";
import { samplesOf } from "./comparison.ts";
import type { Sample } from "./sample.ts";
import { spreadOf } from "./statistics.ts";
import { renderTable } from "./text-table.ts";

/**
 * Where the time of all cores goes, for the servers of one work: user + system time, in microseconds for each
 * request, medians of the rounds. Undefined where no sample has a profile.
 */
export function renderProfiles(samples: readonly Sample[], labels: readonly string[]): string | undefined {
  const rows = labels.flatMap((label) => {
    const profiles = samplesOf(samples, label).flatMap(({ cpuProfile }) => cpuProfile ?? []);
    if (profiles.length === 0) return [];
    const cells = CPU_PARTS.map((part) => renderPart(profiles, part));
    return [[label, ...cells, medianOf(profiles, ({ idle }) => idle).toFixed(1)]];
  });
  if (rows.length === 0) return undefined;
  return renderTable([["CPU µs/request, user + system", ...CPU_PARTS, "left idle"], ...rows]);
}

/** Nothing where there is no such process. */
function renderPart(profiles: readonly CpuProfile[], part: CpuPart): string {
  const user = medianOf(profiles, (profile) => profile[part].user);
  const system = medianOf(profiles, (profile) => profile[part].system);
  return user + system === 0 ? "" : `${user.toFixed(1)} + ${system.toFixed(1)}`;
}

function medianOf(profiles: readonly CpuProfile[], read: (profile: CpuProfile) => number): number {
  return spreadOf(profiles.map(read)).median;
}
