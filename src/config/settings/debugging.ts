import { existsSync } from "node:fs";
import { boolean, oneOf, textList } from "../parsers.ts";
import { setting, WantedError } from "../setting.ts";

/** Files that exist, and patterns, which may match nothing yet. */
function parseExtraFiles(input: unknown): readonly string[] {
  const files = textList(input);
  for (const file of files) {
    if (!/[*?[]/.test(file) && !existsSync(file)) {
      throw new WantedError(`files that exist, or patterns with *, ? or [, instead of "${file}"`);
    }
  }
  return files;
}

export const debuggingSettings = [
  setting({
    name: "reload",
    section: "Debugging",
    flags: ["--reload"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Reload when the code changes: any file of a module that the application has imported. For development.

The new workers take over as with HUP, so no request is lost. As long as the application cannot be loaded,
every request is answered with the reason. preload_app has no effect then.`,
  }),
  setting({
    name: "reload_engine",
    section: "Debugging",
    flags: ["--reload-engine"],
    metavar: "ENGINE",
    defaultValue: "auto",
    parse: oneOf(["auto", "poll", "inotify"]),
    doc: `How changes are noticed: inotify (Linux tells about them), poll (look every second), or auto.

auto means inotify, or poll where the system allows no more watches. Neither needs a package. Some network and
container file systems report no changes: use poll there.`,
  }),
  setting({
    name: "reload_extra_files",
    section: "Debugging",
    flags: ["--reload-extra-file"],
    metavar: "FILE",
    isRepeatable: true,
    defaultValue: [],
    parse: parseExtraFiles,
    doc: `Further files to watch, such as templates: a file, or a pattern with *, ? or [. May be given several times.

Patterns work as in Python's glob, with ** for all folders below, and also match files that are created later.
They are relative to the folder in which tunicorn was called.`,
  }),
  setting({
    name: "spew",
    section: "Debugging",
    flags: ["--spew"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Write every line of Python that a worker executes to standard output. It is as slow as it sounds.`,
  }),
  setting({
    name: "check_config",
    section: "Debugging",
    flags: ["--check-config"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Check the settings, load the application, and exit with status 0 if all is well.`,
  }),
  setting({
    name: "print_config",
    section: "Debugging",
    flags: ["--print-config"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Print the value of every setting, load the application, and exit.`,
  }),
] as const;
