import type { Settings } from "./settings/all.ts";

/** Sorted `name = value` lines, values as Python writes them, as Gunicorn prints them. */
export function settingsText(settings: Settings): string {
  const names = Object.keys(settings).toSorted();
  const width = Math.max(...names.map((name) => name.length));
  const entries = new Map<string, unknown>(Object.entries(settings));
  return names.map((name) => `${name.padEnd(width)} = ${plainPython(entries.get(name))}\n`).join("");
}

function plainPython(value: unknown): string {
  return typeof value === "string" ? value : pythonLiteral(value);
}

/** A value as Python writes it. */
export function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map((item) => pythonLiteral(item)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) => `${pythonLiteral(key)}: ${pythonLiteral(item)}`);
  return `{${entries.join(", ")}}`;
}
