import { allSettings } from "../config/settings/all.ts";
import type { Flag } from "./abbreviations.ts";

/** A dash in the place of a hyphen, as word processors and web pages make it. */
const DASHES = /^[\u2010-\u2015\u2212]+/;

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
  if (record === undefined) return null;
  const first = record.flags.find((each) => each.startsWith("--"));
  return first === undefined
    ? `${name} can be set in the configuration file alone`
    : `The flag of the setting ${name} is ${first}`;
}
