import { TunicornError } from "../errors.ts";

/** What a flag needs behind it, as far as finding the end of its value goes. */
export interface Flag {
  /** The setting that it is a flag of; two flags of one setting do not make an abbreviation ambiguous. */
  readonly setting: string;
  readonly needsValue: boolean;
  /** Not a flag of Gunicorn but of tunicorn alone. */
  readonly isOwn: boolean;
}

/**
 * Writes out what Python's argparse lets Gunicorn's users shorten: `--time 4` is `--timeout 4`, `-w=4` is `-w 4`.
 * Gunicorn's flags come first, so that no flag of ours makes a command ambiguous that was clear before.
 * Throws ERR_USAGE between which flags an abbreviation cannot choose.
 */
export function expandAbbreviations(argv: readonly string[], flags: ReadonlyMap<string, Flag>): string[] {
  const written: string[] = [];
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") return [...written, word, ...rest];
    const words = word.startsWith("--") ? [expandLong(word, flags)] : splitShort(word, flags);
    written.push(...words);
    // The next word is a value, whatever it looks like.
    if (words.length === 1 && takesNextWord(words[0] ?? "", flags)) written.push(...rest.splice(0, 1));
  }
  return written;
}

function expandLong(word: string, flags: ReadonlyMap<string, Flag>): string {
  const [name = ""] = word.split("=", 1);
  return complete(name, flags) + word.slice(name.length);
}

function complete(name: string, flags: ReadonlyMap<string, Flag>): string {
  if (flags.has(name)) return name;
  const candidates = [...flags].filter(([flag]) => flag.startsWith(name));
  const gunicorns = candidates.filter(([, { isOwn }]) => !isOwn);
  const eligible = gunicorns.length > 0 ? gunicorns : candidates;
  const [first] = eligible;
  if (first === undefined) return name;
  if (new Set(eligible.map(([, { setting }]) => setting)).size > 1) {
    const names = eligible.map(([flag]) => flag);
    throw new TunicornError("ERR_USAGE", `${name} is short for more than one flag: ${names.join(", ")}`);
  }
  return first[0];
}

function splitShort(word: string, flags: ReadonlyMap<string, Flag>): readonly string[] {
  const flag = word.slice(0, 2);
  const hasEqualsSign = word.charAt(2) === "=" && flags.get(flag)?.needsValue === true;
  return hasEqualsSign ? [flag, word.slice(3)] : [word];
}

/** Whether a flag's value is still to come. */
function takesNextWord(word: string, flags: ReadonlyMap<string, Flag>): boolean {
  if (word.startsWith("--")) return flags.get(word)?.needsValue === true;
  if (!word.startsWith("-")) return false;
  // Switches may stand together, and before a flag with a value: -RDw 4.
  for (let index = 1; index < word.length; index += 1) {
    if (flags.get(`-${word.charAt(index)}`)?.needsValue === true) return index === word.length - 1;
  }
  return false;
}
