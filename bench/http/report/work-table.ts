import type { Work } from "../works/work.ts";
import { pairsOf, ratioOf, samplesOf } from "./comparison.ts";
import { renderProfiles } from "./profile-table.ts";
import { COLUMNS, DISTURBED_SHARE, errorCount, type Sample } from "./sample.ts";
import { spreadOf } from "./statistics.ts";
import { renderSpread, renderTable } from "./text-table.ts";

export interface WorkReport {
  readonly work: Work;
  /** Of this work alone. */
  readonly samples: readonly Sample[];
}

/** The tables of one work: medians with spread, ratios with spread, where the time goes, and what is doubtful. */
export function renderWork({ work, samples }: WorkReport): string {
  const labels = labelsOf(samples);
  const columns = COLUMNS.filter(({ metric }) => samples.some((sample) => !Number.isNaN(sample[metric])));
  const medians = labels.map((label) => {
    const own = samplesOf(samples, label);
    const cells = columns.map(({ metric, digits }) => {
      const withRange = metric === "requestsPerSecond" || metric === work.figure;
      return renderSpread(spreadOf(own.map((sample) => sample[metric])), digits, withRange);
    });
    return [label, ...cells, String(own.reduce((sum, sample) => sum + errorCount(sample), 0))];
  });
  const ratios = pairsOf(labels).map((pair) => [
    `${pair.subject} : ${pair.other}`,
    ...columns.map(({ metric }) => renderSpread(ratioOf(samples, metric, pair), 2)),
    "",
  ]);
  const header = [work.name, ...columns.map(({ title }) => title), "errors"];
  const profiles = renderProfiles(samples, labels);
  return [
    ...[work.title, "", renderTable([header, ...medians, ...ratios])],
    ...(profiles === undefined ? [] : ["", profiles]),
    ...samples.flatMap(doubts),
    "",
  ].join("\n");
}

/** In the order in which they were first measured. */
export function labelsOf(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.map((sample) => sample.server))];
}

function doubts(sample: Sample): readonly string[] {
  const where = `${sample.work}, round ${sample.round}, ${sample.server}`;
  const lines: string[] = [];
  for (const [kind, count] of Object.entries(sample.errors)) {
    if (count > 0) lines.push(`ERROR: ${where}: ${kind} ${count}`);
  }
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  if (sample.otherShare > DISTURBED_SHARE) {
    lines.push(`DISTURBED: ${where}: other processes took ${percent(sample.otherShare)} of the CPU`);
  }
  if (sample.stealShare > DISTURBED_SHARE) {
    lines.push(`DISTURBED: ${where}: the hypervisor took ${percent(sample.stealShare)} of the CPU`);
  }
  return lines;
}
