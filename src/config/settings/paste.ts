import { existsSync } from "node:fs";
import { optionalText, textList } from "../parsers.ts";
import { pasteFile } from "../paste-file.ts";
import { setting, WantedError } from "../setting.ts";

function parsePaste(input: unknown): string | null {
  const value = optionalText(input);
  if (value !== null && !existsSync(pasteFile(value)))
    throw new WantedError("FILE or FILE#SECTION that exists");
  return value;
}

/** `key=value` pairs; an equals sign in a key is written `\=`. */
function parseGlobals(input: unknown): readonly string[] {
  const pairs = textList(input);
  for (const pair of pairs) {
    if (!/(?<!\\)=/.test(pair)) throw new WantedError(`KEY=VALUE instead of "${pair}"`);
  }
  return pairs;
}

export const pasteSettings = [
  setting({
    name: "paste",
    section: "Server Mechanics",
    flags: ["--paste", "--paster"],
    metavar: "FILE",
    defaultValue: null,
    parse: parsePaste,
    doc: `A PasteDeploy file that creates the application, as FILE or FILE#SECTION.

It takes the place of wsgi_app, and needs the package PasteDeploy in the application's environment. Only the
application is used, not the file's [server:] section; if it has [loggers], it is the default of logconfig.`,
  }),
  setting({
    name: "raw_paste_global_conf",
    section: "Server Mechanics",
    flags: ["--paste-global"],
    metavar: "KEY=VALUE",
    isRepeatable: true,
    defaultValue: [],
    parse: parseGlobals,
    doc: `A global variable for the PasteDeploy file. May be given several times.`,
  }),
] as const;
