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
    doc: `Reload when the code changes: every file of a module that the application has imported. For development.

The next generation takes over as with HUP, so no request is lost. While the application cannot be loaded, every
request is answered with the reason, which any client can read. preload_app has no effect then.`,
  }),
  setting({
    name: "reload_engine",
    section: "Debugging",
    flags: ["--reload-engine"],
    metavar: "ENGINE",
    defaultValue: "auto",
    parse: oneOf(["auto", "poll", "inotify"]),
    doc: `How changes are noticed: inotify, by what the system tells (inotify on Linux), or poll, by looking every second.

auto is inotify, and poll where the system has no room for more. Nothing has to be installed for it. Some network
and container file systems tell of nothing: use poll there.`,
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

Patterns follow Python's glob, ** with all folders below, and take in files that come later. They are relative to
the folder that tunicorn was called in.`,
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
    doc: `Check the settings, load the application, and exit: 0 if all is well.`,
  }),
  setting({
    name: "print_config",
    section: "Debugging",
    flags: ["--print-config"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Print every setting as it holds, load the application, and exit.`,
  }),
] as const;
