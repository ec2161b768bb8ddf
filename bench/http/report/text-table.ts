import type { Spread } from "./statistics.ts";

/** A Markdown table, so that it can be pasted, aligned, so that it can be read. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const renderRow = (row: readonly string[]): string =>
    `| ${row.map((cell, index) => pad(cell, widths[index] ?? 0, index)).join(" | ")} |`;
  const rule = `|${widths.map((width, index) => (index === 0 ? `-${"-".repeat(width)}-` : `-${"-".repeat(width)}:`)).join("|")}|`;
  const [header = [], ...body] = rows;
  return [renderRow(header), rule, ...body.map(renderRow)].join("\n");
}

/** `3.20 (2.71–3.58)`; nothing where nothing was measured. */
export function renderSpread(spread: Spread, digits: number, withRange = true): string {
  if (Number.isNaN(spread.median)) return "";
  const text = renderNumber(spread.median, digits);
  if (!withRange) return text;
  return `${text} (${renderNumber(spread.min, digits)}–${renderNumber(spread.max, digits)})`;
}

function renderNumber(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "∞";
  const least = 0.5 / 10 ** digits;
  return value > 0 && value < least ? `<${(2 * least).toFixed(digits)}` : value.toFixed(digits);
}

function pad(cell: string, width: number, index: number): string {
  return index === 0 ? cell.padEnd(width) : cell.padStart(width);
}
