import type { Settings } from "../config/settings/all.ts";

/** Why a start ends that the settings want to be a daemon's: this process is the one that launches it. */
export class DaemonWanted extends Error {
  readonly settings: Settings;

  constructor(settings: Settings) {
    super("The settings ask for a daemon");
    this.name = "DaemonWanted";
    this.settings = settings;
  }
}
