import { allSettings } from "../config/settings/all.ts";
import type { Flag } from "./abbreviations.ts";

/** A dash in the place of a hyphen, as word processors and web pages make it. */
const DASHES = /^[\u2010-\u2015\u2212]+/;

/** Flags of uvicorn and hypercorn, and what is written here. */
const OTHER_SERVERS: ReadonlyMap<string, string> = new Map([
  ["--host", "The address is written in one: --bind HOST:PORT, such as --bind 0.0.0.0:8000"],
  ["--port", "The address is written in one: --bind HOST:PORT, such as --bind 0.0.0.0:8000"],
  ["--uds", "A unix socket is --bind unix:PATH"],
  ["--fd", "A socket that is open already is --bind fd://NUMBER"],
  ["--app-dir", "The folder of the application is --chdir FOLDER"],
  ["--factory", "A factory is called: 'module:create_app()'"],
]);

/** What the programs have that are called with a command. */
const COMMANDS: ReadonlySet<string> = new Set(["run", "start", "serve", "server", "gunicorn", "tunicorn"]);

/** What to do where the first of two applications is the word for a command; null: it is none. */
export function describeCommand(first: string, second: string): string | null {
  return COMMANDS.has(first) ? `There are no commands: write tunicorn ${second}` : null;
}

/** What was probably meant by a command line that cannot be understood; null: nobody knows. */
export function describeSlip(argv: readonly string[], flags: ReadonlyMap<string, Flag>): string | null {
  for (const word of argv) {
    const slip = slipOf(word, flags);
    if (slip !== null) return slip;
  }
  return null;
}

function slipOf(word: string, flags: ReadonlyMap<string, Flag>): string | null {
  if (DASHES.test(word)) {
    const flag = word.replace(DASHES, "--");
    return `${word} begins with a dash that is no hyphen. Write ${flag}`;
  }
  const [flag = ""] = word.split("=", 1);
  if (!flag.startsWith("--")) {
    return flag.startsWith("-") && flags.has(`-${flag}`) ? `Did you mean -${flag}?` : null;
  }
  if (flags.has(flag)) {
    const isSwitch = allSettings.some((each) => each.metavar === null && each.flags.includes(flag));
    return isSwitch && flag !== word ? `${flag} is a switch, and takes no value` : null;
  }
  const name = flag.slice(2).replaceAll("-", "_");
  const record = allSettings.find((each) => each.name === name);
  if (record === undefined) return OTHER_SERVERS.get(flag) ?? null;
  const first = record.flags.find((each) => each.startsWith("--"));
  return first === undefined
    ? `${name} can be set in the configuration file alone`
    : `The flag of the setting ${name} is ${first}`;
}
