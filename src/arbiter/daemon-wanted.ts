import type { Settings } from "../config/settings/all.ts";
import type { MoldHandle } from "./mold-handle.ts";

/** Why a start ends that the settings want to be a daemon's: this process is the one that launches it. */
export class DaemonWanted extends Error {
  readonly settings: Settings;
  /** It has run the configuration file, which is not to be run again. */
  readonly mold: MoldHandle;

  constructor(settings: Settings, mold: MoldHandle) {
    super("The settings ask for a daemon");
    this.name = "DaemonWanted";
    this.settings = settings;
    this.mold = mold;
  }
}
