import { asgiSettings } from "./asgi.ts";
import { configFileSettings } from "./config-file.ts";
import { debuggingSettings } from "./debugging.ts";
import { loggingSettings } from "./logging.ts";
import { pasteSettings } from "./paste.ts";
import { processNamingSettings } from "./process-naming.ts";
import { processRightsSettings } from "./process-rights.ts";
import { securitySettings } from "./security.ts";
import { serverMechanicsSettings } from "./server-mechanics.ts";
import { serverSocketSettings } from "./server-socket.ts";
import { tlsSettings } from "./tls.ts";
import { workerProcessesSettings } from "./worker-processes.ts";

/** Every setting, in the order of `--help`. */
export const allSettings = [
  ...configFileSettings,
  ...serverSocketSettings,
  ...workerProcessesSettings,
  ...asgiSettings,
  ...securitySettings,
  ...debuggingSettings,
  ...serverMechanicsSettings,
  ...processRightsSettings,
  ...pasteSettings,
  ...loggingSettings,
  ...processNamingSettings,
  ...tlsSettings,
] as const;

type SettingRecord = (typeof allSettings)[number];

export type SettingName = SettingRecord["name"];

/** All settings as they hold, by name, validated. */
export type Settings = {
  readonly [Record in SettingRecord as Record["name"]]: ReturnType<Record["parse"]>;
};
