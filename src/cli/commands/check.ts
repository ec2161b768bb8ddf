import { Generation } from "../../arbiter/generation.ts";
import type { Invocation } from "../../config/invocation.ts";
import type { Settings } from "../../config/settings/all.ts";
import { ErrorLog } from "../../log/error-log.ts";

/** `--check-config` and `--print-config`: the settings are read, printed if wished, and the application is loaded. */
export async function check(invocation: Invocation, interpreter: string): Promise<void> {
  const generation = await Generation.prepare({
    number: 1,
    invocation,
    interpreter,
    nextAge: () => 1,
    listener: { onMoldLost: () => undefined },
  });
  try {
    const { settings } = generation;
    if (settings.print_config) process.stdout.write(settingsText(settings));
    const log = new ErrorLog("-", settings.loglevel);
    for (const warning of generation.warnings) log.warning(warning);
    await generation.configure({ log, channelPath: "", runtimeDirectory: "", errorLog: "-" });
    await generation.load();
  } finally {
    await generation.stopMold();
  }
}

/** Whether the command line asks for one of the two; the configuration file may not. */
export function wantsCheck(invocation: Invocation): boolean {
  return [invocation.environmentArguments, invocation.commandLine].some(
    ({ values }) => values.has("check_config") || values.has("print_config"),
  );
}

/** Sorted `name = value` lines, values as Python writes them, as Gunicorn prints them. */
function settingsText(settings: Settings): string {
  const names = Object.keys(settings).toSorted();
  const width = Math.max(...names.map((name) => name.length));
  const entries = new Map<string, unknown>(Object.entries(settings));
  return names.map((name) => `${name.padEnd(width)} = ${plainPython(entries.get(name))}\n`).join("");
}

function plainPython(value: unknown): string {
  return typeof value === "string" ? value : pythonLiteral(value);
}

function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map((item) => pythonLiteral(item)).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).map(([key, item]) => `${pythonLiteral(key)}: ${pythonLiteral(item)}`);
  return `{${entries.join(", ")}}`;
}
