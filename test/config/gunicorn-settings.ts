import { spawnSync } from "node:child_process";

import { python, repositoryRoot } from "../helpers/server.ts";

/** A setting as the Gunicorn that is installed for the tests declares it. */
export interface GunicornSetting {
  readonly name: string;
  readonly section: string;
  readonly flags: readonly string[];
  readonly defaultValue: unknown;
  readonly isRepeatable: boolean;
  readonly isSwitch: boolean;
}

const LIST_SETTINGS = `
import enum, json
from gunicorn import __version__, config

def plain(value):
    return value.value if isinstance(value, enum.Enum) else value

print(json.dumps({"version": __version__, "settings": [
    {
        "name": setting.name,
        "section": setting.section,
        "flags": setting.cli or [],
        "defaultValue": None if callable(setting.default) else plain(setting.default),
        "isRepeatable": setting.action == "append",
        "isSwitch": setting.action in ("store_true", "store_const") and setting.nargs is None,
        "isHook": callable(setting.default),
    }
    for setting in config.KNOWN_SETTINGS
]}))
`;

interface Listed {
  readonly version: string;
  readonly settings: readonly (GunicornSetting & { readonly isHook: boolean })[];
}

/** Without the variables that stand in for defaults, and with a home that says where the control socket would be. */
function listSettings(): Listed {
  const { stdout, stderr, status } = spawnSync(python, ["-c", LIST_SETTINGS], {
    cwd: repositoryRoot,
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Gunicorn's settings cannot be listed:\n${stderr}`);
  return JSON.parse(stdout) as Listed;
}

const listed = listSettings();

export const gunicornVersion: string = listed.version;

export const gunicornSettings: readonly GunicornSetting[] = listed.settings.filter(({ isHook }) => !isHook);

export const gunicornHooks: readonly string[] = listed.settings
  .filter(({ isHook }) => isHook)
  .map(({ name }) => name);

/** Settings and hooks in Gunicorn's order, section by section. */
export const gunicornNames: readonly { readonly name: string; readonly section: string }[] = listed.settings;
