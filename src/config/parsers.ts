/** Parsers for the values of settings: what a command line, a Python file or an environment variable says. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isLogLevel, logLevels, type LogLevel } from "../log/log-level.ts";
import { ipVersion } from "../system/ip-version.ts";
import { WantedError } from "./setting.ts";

const WHOLE_NUMBER = /^\s*(?:[0-9]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+)\s*$/;

/** A whole number of 0 or more; text may be decimal, hexadecimal or octal as Python writes it. */
export function wholeNumber(input: unknown): number {
  const value = integerOf(input);
  if (!(value >= 0)) throw new WantedError("a whole number of 0 or more");
  return value;
}

/** A whole number of 1 or more. */
export function positiveNumber(input: unknown): number {
  const value = integerOf(input);
  if (!(value >= 1)) throw new WantedError("a whole number of 1 or more");
  return value;
}

/** The number, or NaN for what is none. */
function integerOf(input: unknown): number {
  const value = typeof input === "string" && WHOLE_NUMBER.test(input) ? Number(input) : input;
  return typeof value === "number" && Number.isSafeInteger(value) ? value : Number.NaN;
}

const BYTE_UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const SECOND_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Bytes, as a number or with a unit: 300M, 2G, 512KiB. Units are powers of 1024. */
export function byteSize(input: unknown): number {
  return withUnit(input, /^([0-9]+)\s*([kmg])(?:i?b)?$/i, BYTE_UNITS, "bytes, or a size such as 300M or 2G");
}

/** Seconds, as a number or with a unit: 90m, 12h, 1d. */
export function seconds(input: unknown): number {
  return withUnit(input, /^([0-9]+)\s*([smhd])$/i, SECOND_UNITS, "seconds, or a time such as 90m, 12h or 1d");
}

function withUnit(
  input: unknown,
  form: RegExp,
  units: Readonly<Record<string, number>>,
  wanted: string,
): number {
  const [, digits = "", unit = ""] = (typeof input === "string" && form.exec(input.trim())) || [];
  try {
    return digits === ""
      ? wholeNumber(input)
      : wholeNumber(Number(digits) * (units[unit.toLowerCase()] ?? 1));
  } catch (error) {
    throw new WantedError(wanted, { cause: error });
  }
}

const PLAIN_OCTAL = /^0[0-9]/;
const WIDEST_MASK = 0o777;

/** A mask of permission bits; text as Python writes it, `022` being octal too. */
export function modeMask(input: unknown): number {
  const written =
    typeof input === "string" ? input.trim().replace(PLAIN_OCTAL, (digits) => `0o${digits.slice(1)}`) : input;
  const value = integerOf(written);
  if (!(value >= 0 && value <= WIDEST_MASK)) throw new WantedError("a mask of 0 to 0o777, such as 0o022");
  return value;
}

/** A name or a number of the system's, such as a user; null if there is none. */
export function nameOrNumber(input: unknown): string | null {
  return optionalText(typeof input === "number" ? String(wholeNumber(input)) : input);
}

/** None, which only the configuration file can say, means no, as in Python. */
export function boolean(input: unknown): boolean {
  if (input === null) return false;
  if (typeof input === "boolean") return input;
  const word = typeof input === "string" ? input.trim().toLowerCase() : "";
  if (word === "true") return true;
  if (word === "false") return false;
  throw new WantedError("True or False");
}

export function text(input: unknown): string {
  if (typeof input !== "string") throw new WantedError("text");
  return input.trim();
}

export function optionalText(input: unknown): string | null {
  if (input === null || input === undefined) return null;
  const value = text(input);
  return value === "" ? null : value;
}

/** Text; None means that there is none. */
export function textOrNone(input: unknown): string {
  return optionalText(input) ?? "";
}

/** A list of texts; one text stands for a list of one, None for an empty one. */
export function textList(input: unknown): readonly string[] {
  if (input === null) return [];
  if (typeof input === "string") return [text(input)];
  if (!Array.isArray(input)) throw new WantedError("text or a list of texts");
  return input.map((item: unknown) => text(item));
}

/** A list of texts, or one text with commas. */
export function commaList(input: unknown): readonly string[] {
  return textList(input)
    .flatMap((item) => item.split(","))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** `NAME=value` pairs. */
export function environmentList(input: unknown): readonly string[] {
  const entries = textList(input);
  for (const entry of entries) {
    if (!/^[^=]+=/.test(entry)) throw new WantedError(`NAME=value instead of "${entry}"`);
  }
  return entries;
}

/** Addresses, CIDR ranges, or `*`. */
export function networkList(input: unknown): readonly string[] {
  const entries = commaList(input);
  for (const entry of entries) {
    if (entry !== "*" && !isNetwork(entry)) {
      throw new WantedError(`IP addresses, CIDR ranges or * instead of "${entry}"`);
    }
  }
  return entries;
}

function isNetwork(entry: string): boolean {
  const [address = "", prefix, ...rest] = entry.split("/");
  const version = ipVersion(address);
  if (version === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (version === 6 ? 128 : 32);
}

/** One of the words given, in any case. */
export function oneOf<const Word extends string>(words: readonly Word[]): (input: unknown) => Word {
  return (input) => {
    const written = text(input).toLowerCase();
    const word = words.find((candidate) => candidate === written);
    if (word === undefined) throw new WantedError(`one of ${words.join(", ")}`);
    return word;
  };
}

/** A mapping of texts to texts. */
export function textMapping(input: unknown): Readonly<Record<string, string>> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new WantedError("a dictionary of texts");
  }
  const entries = Object.entries(input).map(([name, value]) => [text(name), text(value)] as const);
  return Object.fromEntries(entries);
}

/** A dictionary of whatever Python can say in JSON. */
export function dictionary(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    throw new WantedError("a dictionary");
  return Object.fromEntries(Object.entries(input));
}

export function logLevel(input: unknown): LogLevel {
  const level = text(input).toLowerCase();
  const known = level === "warn" ? "warning" : level === "fatal" ? "critical" : level;
  if (!isLogLevel(known)) throw new WantedError(`one of ${logLevels.join(", ")}`);
  return known;
}

/** A file that exists, or null for none; the value is the path as it was written. */
export function existingFile(input: unknown): string | null {
  const path = optionalText(input);
  if (path !== null && !existsSync(path)) throw new WantedError("a file that exists");
  return path;
}

/** Python's ssl.CERT_NONE, CERT_OPTIONAL and CERT_REQUIRED. */
export function certificateDemand(input: unknown): 0 | 1 | 2 {
  const value = integerOf(input);
  if (value !== 0 && value !== 1 && value !== 2) {
    throw new WantedError("0 (no certificate), 1 (one may be given) or 2 (one must be given)");
  }
  return value;
}

/** A folder that exists; the value is its absolute path. */
export function existingFolder(input: unknown): string {
  const path = resolve(text(input));
  if (!existsSync(path)) throw new WantedError("a folder that exists");
  if (!statSync(path).isDirectory()) throw new WantedError("a folder, not a file");
  return path;
}
