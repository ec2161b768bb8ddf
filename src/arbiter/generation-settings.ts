import {
  configurableNames,
  findConfigFile,
  mergeSettings,
  type ConfigFileReport,
  type Invocation,
} from "../config/invocation.ts";
import { applicationName } from "../config/application-name.ts";
import { findWorkerClass, isOwnWorkerClass } from "../config/worker-class.ts";
import type { Settings } from "../config/settings/all.ts";
import { hookParameters } from "../config/settings/hooks.ts";
import { TunicornError } from "../errors.ts";
import type { TlsSettings } from "../http/tls-settings.ts";
import { USER_CODE_MS, type MoldHandle } from "./mold-handle.ts";
import { findOwnWorkerClass } from "./own-worker-class.ts";
import { askTlsContext } from "./tls-context.ts";
import { readTls } from "./tls-files.ts";
import { describeWorkerClass } from "./wording.ts";

/** What holds for a generation. */
export interface GenerationSettings {
  /** Of a worker class of the user's own they have the known class from which it derives. */
  readonly settings: Settings;
  /** The worker class as people name it. */
  readonly workerClass: string;
  /** Its workers have many requests at a time. */
  readonly multiplexes: boolean;
  /** What its routers speak TLS with, or null. */
  readonly tls: TlsSettings | null;
  /** What the configuration file says in vain. */
  readonly warnings: readonly string[];
  /** Names of the hooks that the configuration file has. */
  readonly hooks: ReadonlySet<string>;
}

/** Reads the configuration file through the mold, and merges and validates all sources. */
export async function readSettings(mold: MoldHandle, invocation: Invocation): Promise<GenerationSettings> {
  const location = findConfigFile(invocation);
  const file = location === null ? null : await readConfigFile(mold, location);
  const merged = mergeSettings(invocation, file);
  const name = merged.settings.worker_class;
  const own = isOwnWorkerClass(name) ? await findOwnWorkerClass(mold, merged.settings) : null;
  const { settings, warnings } = own === null ? merged : mergeSettings(invocation, file, own.layer);
  if (applicationName(settings) === "") {
    throw new TunicornError("ERR_NO_APPLICATION", "No application is named", {
      hint: "Name one: tunicorn wsgi:app (the object app of wsgi.py). See tunicorn --help",
    });
  }
  const context = file?.hooks.includes("ssl_context") === true ? await askTlsContext(mold, settings) : null;
  const tls = readTls(settings, context);
  return {
    settings,
    tls: tls.settings,
    multiplexes: findWorkerClass(settings.worker_class).multiplexes,
    workerClass: own === null ? describeWorkerClass(settings) : name,
    warnings: [...warnings, ...(own?.warnings ?? []), ...tls.warnings],
    hooks: new Set(file?.hooks),
  };
}

type ConfigFile = ConfigFileReport & { readonly hooks: readonly string[] };

async function readConfigFile(mold: MoldHandle, location: string): Promise<ConfigFile> {
  const answer = await mold.ask(
    { type: "read-config", location, settingNames: configurableNames, hookParameters },
    USER_CODE_MS,
  );
  if (answer.type === "config-failed") throw new TunicornError("ERR_CONFIG_FILE", answer.message);
  if (answer.type !== "config") throw new TunicornError("ERR_PROTOCOL", `The mold answered ${answer.type}`);
  const { values, slips, annotated, hooks } = answer;
  return { location, values, slips, annotated, hooks };
}
