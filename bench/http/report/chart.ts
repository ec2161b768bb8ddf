/** Draws a run as SVG for the README: a panel for each work, a bar for each server, the best at the top. */
import { serverOf } from "../plan.ts";
import type { Work } from "../works/work.ts";
import { samplesOf } from "./comparison.ts";
import { COLUMNS, isMoreBetter, titleOf, type Sample } from "./sample.ts";
import { spreadOf, type Spread } from "./statistics.ts";
import { labelsOf } from "./work-table.ts";

export interface Chart {
  readonly works: readonly Work[];
  readonly samples: readonly Sample[];
  /** Under the panels: machine, versions, settings. */
  readonly footer: readonly string[];
}

interface Bar {
  readonly label: string;
  readonly isSubject: boolean;
  readonly value: Spread;
}

const WIDTH = 880;
const MARGIN = 24;
const GAP = 32;
const PANEL_WIDTH = (WIDTH - 2 * MARGIN - GAP) / 2;
const LABEL_WIDTH = 128;
const VALUE_WIDTH = 62;
const BAR_WIDTH = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH;
const ROW = 20;
const BAR = 12;
const HEADING = 46;
const PANEL_GAP = 22;
const LINE = 16;

/** Its own background, so that it can be read on any page; dark where the reader's system is. */
const STYLE = `
  .page { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328; font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 13px; font-weight: 600 }
  .quiet { fill: #59636e }
  .subject { font-weight: 600 }
  .bar { fill: #afb8c1 }
  .bar.subject { fill: #0969da }
  .range { stroke: #1f2328; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .bar { fill: #57606a }
    .bar.subject { fill: #4493f8 }
    .range { stroke: #e6edf3 }
  }`;

export function renderChart({ works, samples, footer }: Chart): string {
  const bottoms = [MARGIN, MARGIN];
  const parts: string[] = [];
  for (const work of works) {
    const bars = barsOf(
      work,
      samples.filter((sample) => sample.work === work.name),
    );
    if (bars.length === 0) continue;
    const column = (bottoms[1] ?? 0) < (bottoms[0] ?? 0) ? 1 : 0;
    const top = bottoms[column] ?? 0;
    parts.push(renderPanel(work, bars, MARGIN + column * (PANEL_WIDTH + GAP), top));
    bottoms[column] = top + HEADING + bars.length * ROW + PANEL_GAP;
  }
  const footerTop = Math.max(...bottoms) + LINE / 2;
  const lines = footer.map((line, index) => text(MARGIN, footerTop + index * LINE, line, "quiet"));
  const height = footerTop + footer.length * LINE + MARGIN / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    "<title>tunicorn beside other servers</title>",
    `<style>${STYLE}\n</style>`,
    `<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    ...parts,
    ...lines,
    "</svg>\n",
  ].join("\n");
}

/** The limits stay out: next to them the servers could not be told apart. */
function barsOf(work: Work, samples: readonly Sample[]): readonly Bar[] {
  const sign = isMoreBetter(work.figure) ? -1 : 1;
  return labelsOf(samples)
    .filter((label) => ["subject", "peer"].includes(serverOf(label)?.type ?? ""))
    .map((label) => ({
      label,
      isSubject: serverOf(label)?.type === "subject",
      value: spreadOf(samplesOf(samples, label).map((sample) => sample[work.figure])),
    }))
    .filter(({ value }) => Number.isFinite(value.median))
    .toSorted((left, right) => sign * (left.value.median - right.value.median));
}

function renderPanel(work: Work, bars: readonly Bar[], left: number, top: number): string {
  const unit = isMoreBetter(work.figure) ? "more is better" : "less is better";
  const [name = "", ...description] = work.title.split(": ");
  const scale = BAR_WIDTH / (Math.max(...bars.map(({ value }) => value.max)) || 1);
  return [
    text(left, top + 12, name, "title"),
    text(left + PANEL_WIDTH, top + 12, `${titleOf(work.figure)}, ${unit}`, "quiet", "end"),
    text(left, top + 30, description.join(": "), "quiet"),
    ...bars.map((bar, index) => renderBar(bar, work, scale, left, top + HEADING + index * ROW)),
  ].join("\n");
}

function renderBar(bar: Bar, work: Work, scale: number, left: number, top: number): string {
  const subject = bar.isSubject ? "subject" : "";
  const start = left + LABEL_WIDTH;
  const [least, median, most] = [bar.value.min, bar.value.median, bar.value.max].map(
    (value) => value * scale,
  );
  const middle = top + BAR / 2;
  const from = round(start + (least ?? 0));
  const to = round(start + (most ?? 0));
  const range = `M${from} ${middle - 3}v6M${to} ${middle - 3}v6M${from} ${middle}H${to}`;
  return [
    text(start - 8, top + BAR - 2, bar.label, subject, "end"),
    `<rect class="bar ${subject}" x="${start}" y="${top}" width="${round(median ?? 0)}" height="${BAR}" rx="2"/>`,
    `<path class="range" d="${range}"/>`,
    text(left + PANEL_WIDTH, top + BAR - 2, valueText(bar.value.median, work), subject, "end"),
  ].join("\n");
}

function valueText(value: number, work: Work): string {
  const digits = COLUMNS.find(({ metric }) => metric === work.figure)?.digits ?? 0;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function text(x: number, y: number, content: string, className: string, anchor = "start"): string {
  const attributes = [`x="${x}"`, `y="${y}"`, `class="${className}"`, `text-anchor="${anchor}"`];
  return `<text ${attributes.join(" ")}>${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
