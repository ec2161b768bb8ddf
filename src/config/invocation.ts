import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { findStrayAtom } from "../log/access-format.ts";
import { warningNotYet } from "./not-there-yet.ts";
import { environmentLayers, resolveSettings, type Layer } from "./layers.ts";
import { hasLoggers, pasteFile } from "./paste-file.ts";
import { allSettings, type SettingName, type Settings } from "./settings/all.ts";
import { DEFAULT_CONFIG_FILE } from "./settings/config-file.ts";
import { hooksNotYet } from "./settings/hooks.ts";
import { settingsNotYet } from "./settings/not-yet.ts";
import { findWorkerClass, isOwnWorkerClass } from "./worker-class.ts";

/** How tunicorn was called: all that is known before the configuration file is read. */
export interface Invocation {
  readonly environment: NodeJS.ProcessEnv;
  /** Folder in which it was called; paths of the command line are relative to it. */
  readonly workingFolder: string;
  /** GUNICORN_CMD_ARGS. */
  readonly environmentArguments: Layer;
  readonly commandLine: Layer;
  /** The application named on the command line, or null. */
  readonly application: string | null;
  /** The command line as it was written; the application finds it in sys.argv. */
  readonly words?: readonly string[];
  /** A program called, not a person: the file gunicorn.conf.py is only read if it is named. */
  readonly isEmbedded?: boolean;
}

/** What a configuration file said, as the mold reports it. */
export interface ConfigFileReport {
  readonly location: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Unknown names that look like a slip, with the name that was probably meant. */
  readonly slips: Readonly<Record<string, string>>;
  /** Settings and hooks that are only annotated, as in `workers: 4`, which sets nothing. */
  readonly annotated: readonly string[];
}

/** Value of a text setting that only the command line and GUNICORN_CMD_ARGS may give. */
export function earlyValue(invocation: Invocation, name: SettingName): string | null {
  for (const layer of [invocation.commandLine, invocation.environmentArguments]) {
    const value = layer.values.get(name);
    if (typeof value === "string") return value;
  }
  return null;
}

/** The configuration file to read: the one named, else gunicorn.conf.py if it is there, else none. */
export function findConfigFile(invocation: Invocation): string | null {
  const named = earlyValue(invocation, "config");
  if (named === null) {
    if (invocation.isEmbedded === true) return null;
    const path = resolve(invocation.workingFolder, DEFAULT_CONFIG_FILE);
    return existsSync(path) ? path : null;
  }
  return named.startsWith("python:") ? named : resolve(invocation.workingFolder, named.replace(/^file:/, ""));
}

/** Shorter ones, such as env, are likely to be variables of the file's own. */
const FLAG_NAME_LENGTH = 6;

/** Names of flags that are not those of their settings, as a configuration file would write them: access_logfile. */
const flagNames: ReadonlyMap<string, SettingName> = new Map(
  allSettings.flatMap(({ name, flags }) => {
    const written = flags.map((flag) => flag.replace(/^-+/, "").replaceAll("-", "_"));
    return written
      .filter((each) => each !== name && each.length >= FLAG_NAME_LENGTH)
      .map((each) => [each, name]);
  }),
);

/**
 * Names in a configuration file that the arbiter wants to hear of: settings with an effect, those that have none yet,
 * and flags, which are no names of settings but mean one.
 */
export const configurableNames: readonly string[] = [
  ...allSettings.map((record) => record.name),
  ...settingsNotYet,
  ...hooksNotYet,
  ...flagNames.keys(),
];

const settingNames: ReadonlySet<string> = new Set(allSettings.map((record) => record.name));

export function isSettingName(name: string): name is SettingName {
  return settingNames.has(name);
}

/** Settings that had to be known before the configuration file could say anything. */
const earlyNames: ReadonlySet<string> = new Set<SettingName>([
  "config",
  "python",
  "check_config",
  "print_config",
]);

export interface MergedSettings {
  readonly settings: Settings;
  /** Lines for the log about what the configuration file says in vain. */
  readonly warnings: readonly string[];
}

/** Merges all sources by their rank and validates the outcome. `workerClass`: what a class of the user's own says. */
export function mergeSettings(
  invocation: Invocation,
  file: ConfigFileReport | null,
  workerClass: Layer | null = null,
): MergedSettings {
  const layers = [...environmentLayers(invocation.environment)];
  const warnings: string[] = [];
  if (file !== null) layers.push(fileLayer(file, warnings));
  layers.push(invocation.environmentArguments, invocation.commandLine);
  warnings.push(...layers.flatMap((layer) => warningsNotYet(layer)));
  if (invocation.application !== null) {
    layers.push({ source: "the command line", values: new Map([["wsgi_app", invocation.application]]) });
  }
  if (workerClass !== null) layers.push(workerClass);
  const absoluteLayers = layers.map((layer) => withAbsolutePaths(layer, invocation.workingFolder));
  const settings = resolveSettings([...pasteLayers(absoluteLayers), ...absoluteLayers]);
  if (!isOwnWorkerClass(settings.worker_class)) findWorkerClass(settings.worker_class);
  warnings.push(...accessFormatWarnings(settings));
  return { settings, warnings };
}

/** A PasteDeploy file with loggers is the weakest source, of logconfig alone. */
function pasteLayers(layers: readonly Layer[]): readonly Layer[] {
  const location = layers.findLast(({ values }) => values.has("paste"))?.values.get("paste");
  const path = typeof location === "string" ? pasteFile(location) : "";
  if (path === "" || !hasLoggers(path)) return [];
  return [{ source: path, values: new Map([["logconfig", path]]) }];
}

/** Paths are meant relative to where tunicorn was called, whatever the working folder is by now. */
const pathNames: readonly SettingName[] = [
  "chdir",
  "worker_tmp_dir",
  "tmp_upload_dir",
  "paste",
  "reload_extra_files",
  "certfile",
  "keyfile",
  "ca_certs",
];

function withAbsolutePaths(layer: Layer, workingFolder: string): Layer {
  const values = new Map(layer.values);
  for (const name of pathNames) {
    const value = values.get(name);
    if (typeof value === "string" && value !== "") values.set(name, resolve(workingFolder, value));
    if (Array.isArray(value))
      values.set(
        name,
        value.map((each) => resolve(workingFolder, String(each))),
      );
  }
  return { ...layer, values };
}

function accessFormatWarnings({ accesslog, access_log_format: format }: Settings): readonly string[] {
  const stray = accesslog === null ? null : findStrayAtom(format);
  if (stray === null) return [];
  return [`access_log_format: "${stray}" stands in each line as it is. Atoms are written as %(h)s`];
}

function fileLayer(file: ConfigFileReport, warnings: string[]): Layer {
  const values = new Map<SettingName, unknown>();
  const notYet = new Map<string, unknown>();
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(file.values)) {
    if (flagNames.has(name)) {
      unknown.push(name);
    } else if (!isSettingName(name)) {
      notYet.set(name, value);
    } else if (earlyNames.has(name)) {
      if (value === null || value === false) continue;
      warnings.push(`${file.location}: ${name} has an effect only on the command line`);
    } else {
      values.set(name, value);
    }
  }
  for (const name of [...unknown, ...Object.keys(file.slips)]) {
    const nearest = file.slips[name] ?? name;
    const meant = flagNames.get(nearest) ?? nearest;
    // Beside loglevel, log_level or use_loglevel is a variable on the way to it.
    if (meant in file.values) continue;
    warnings.push(`${file.location}: there is no setting ${name}. Did you mean ${meant}?`);
  }
  for (const name of file.annotated) {
    warnings.push(
      `${file.location}: "${name}: ..." is a type annotation and sets nothing. Write "${name} = ..."`,
    );
  }
  return { source: file.location, values, notYet };
}

function warningsNotYet({ source, notYet = new Map() }: Layer): readonly string[] {
  const lines = [...notYet].map(([name, value]) => warningNotYet(name, value, source));
  return lines.filter((line) => line !== null);
}
