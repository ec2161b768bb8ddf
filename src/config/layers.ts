import { TunicornError } from "../errors.ts";
import { allSettings, type SettingName, type Settings } from "./settings/all.ts";
import { WantedError } from "./setting.ts";
import { pythonLiteral } from "./settings-text.ts";

/** What one source says, before it is validated. */
export interface Layer {
  /** Who said it, for messages: "the command line", "gunicorn.conf.py". */
  readonly source: string;
  readonly values: ReadonlyMap<SettingName, unknown>;
  /** Settings of Gunicorn that have no effect yet. */
  readonly notYet?: ReadonlyMap<string, unknown>;
}

/** Sources whose numbers Gunicorn reads as it reads its flags. */
const argumentSources: ReadonlySet<string> = new Set(["the command line", "GUNICORN_CMD_ARGS"]);

/** The environment variables that stand in for defaults, each as a source of its own. */
export function environmentLayers(environment: NodeJS.ProcessEnv): Layer[] {
  const layers: Layer[] = [];
  for (const record of allSettings) {
    const replacement = "environment" in record ? record.environment : undefined;
    if (replacement === undefined) continue;
    const text = environment[replacement.variable];
    if (text === undefined || text.trim() === "") continue;
    const values = new Map<SettingName, unknown>([[record.name, replacement.toValue(text)]]);
    layers.push({ source: `environment variable ${replacement.variable}`, values });
  }
  return layers;
}

/**
 * Merges layers, the weakest first, over the defaults, and validates what holds.
 * Throws ERR_SETTING_VALUE naming the setting, the value, its source and what was wanted.
 */
export function resolveSettings(layers: readonly Layer[]): Settings {
  const resolved: Record<string, unknown> = {};
  for (const record of allSettings) {
    const layer = layers.findLast(({ values }) => values.has(record.name));
    resolved[record.name] =
      layer === undefined
        ? record.defaultValue
        : parseValue(record, layer.values.get(record.name), layer.source);
  }
  // Each entry was made by its own record's parser or default.
  return resolved as Settings;
}

function parseValue(record: (typeof allSettings)[number], value: unknown, source: string): unknown {
  try {
    return record.parse(value);
  } catch (error) {
    if (!(error instanceof WantedError)) throw error;
    throw new TunicornError(
      isMistyped(record, value, source) ? "ERR_USAGE" : "ERR_SETTING_VALUE",
      `Invalid value for ${record.name} from ${source}: ${shown(value)}, want ${error.message}`,
      { cause: error, ...(isTuple(record, value) ? { hint: COMMA } : {}) },
    );
  }
}

const COMMA = "In Python a comma behind a value makes a tuple of it: take the comma away";

/** Of the configuration file a tuple is told as a list; a setting of several values may be given one. */
function isTuple(record: (typeof allSettings)[number], value: unknown): boolean {
  return Array.isArray(value) && value.length === 1 && !Array.isArray(record.defaultValue);
}

/** Text in quotation marks, whoever said it; the rest as the configuration file has it. */
function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : pythonLiteral(value);
}

/** Text where the command line wants a number is a mistake in usage, which has an exit status of its own. */
function isMistyped(record: (typeof allSettings)[number], value: unknown, source: string): boolean {
  const isNumber = typeof value !== "string" || /^\s*[-+]?[0-9]+\s*$/.test(value);
  return typeof record.defaultValue === "number" && !isNumber && argumentSources.has(source);
}
