import { COLUMNS, DISTURBED_SHARE, errorCount, type Metric, type Sample } from "./sample.ts";
import { spreadOf, type Spread } from "./statistics.ts";
import type { Work } from "./works.ts";

export interface WorkReport {
  readonly work: Work;
  /** In the order of the table; ratios are the first to each other. */
  readonly labels: readonly string[];
  readonly samples: readonly Sample[];
}

/** The tables of one work: medians with spread, ratios with spread, and what is doubtful. */
export function renderWork(report: WorkReport): string {
  const [subject = "", ...peers] = report.labels;
  const medians = report.labels.map((label) => {
    const samples = samplesOf(report, label);
    const cells = COLUMNS.map(({ metric, digits }) =>
      renderSpread(spreadOf(samples.map((sample) => sample[metric])), digits, metric === "requestsPerSecond"),
    );
    const errors = samples.reduce((sum, sample) => sum + errorCount(sample), 0);
    return [label, ...cells, String(errors)];
  });
  const ratios = peers.map((peer) => [
    `${subject} : ${peer}`,
    ...COLUMNS.map(({ metric }) => renderSpread(ratioOf(report, metric, [subject, peer]), 2, true)),
    "",
  ]);
  const header = [report.work.name, ...COLUMNS.map(({ title }) => title), "errors"];
  return [
    report.work.title,
    "",
    renderTable([header, ...medians, ...ratios]),
    ...report.samples.flatMap(doubts),
    "",
  ].join("\n");
}

/** Round by round, so that what slows down the whole machine for a while falls on both. */
function ratioOf(report: WorkReport, metric: Metric, pair: readonly [string, string]): Spread {
  const [subject, peer] = pair.map((label) => samplesOf(report, label));
  return spreadOf(
    (subject ?? []).map((sample) => {
      const opposite = peer?.find((other) => other.round === sample.round);
      return sample[metric] / (opposite?.[metric] ?? NaN);
    }),
  );
}

function samplesOf(report: WorkReport, label: string): readonly Sample[] {
  return report.samples.filter((sample) => sample.server === label);
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

function renderSpread(spread: Spread, digits: number, withRange: boolean): string {
  const median = spread.median.toFixed(digits);
  if (!withRange) return median;
  return `${median} (${spread.min.toFixed(digits)}–${spread.max.toFixed(digits)})`;
}

/** A Markdown table, so that it can be pasted, aligned, so that it can be read. */
function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const renderRow = (row: readonly string[]): string =>
    `| ${row.map((cell, index) => pad(cell, widths[index] ?? 0, index)).join(" | ")} |`;
  const rule = `|${widths.map((width, index) => (index === 0 ? `-${"-".repeat(width)}-` : `-${"-".repeat(width)}:`)).join("|")}|`;
  const [header = [], ...body] = rows;
  return [renderRow(header), rule, ...body.map(renderRow)].join("\n");
}

function pad(cell: string, width: number, index: number): string {
  return index === 0 ? cell.padEnd(width) : cell.padStart(width);
}
