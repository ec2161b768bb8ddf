import { TunicornError } from "../errors.ts";

/**
 * Cuts text into words by the quoting rules of POSIX shells, as Python's shlex does for Gunicorn's
 * GUNICORN_CMD_ARGS. Nothing is expanded: no variables, no globs, no operators.
 */
export function splitShellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === "\\" && quote !== "'") {
      const next = text.charAt(index + 1);
      if (next === "")
        throw new TunicornError("ERR_USAGE", `GUNICORN_CMD_ARGS ends in a lone backslash: ${text}`);
      // Between double quotes a backslash only protects what has a meaning there.
      const isKept = quote === '"' && next !== '"' && next !== "\\";
      word = `${word ?? ""}${isKept ? "\\" : ""}${next}`;
      index += 1;
    } else if (quote !== null) {
      if (character === quote) quote = null;
      else word = (word ?? "") + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (/[ \t\r\n]/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) {
    throw new TunicornError("ERR_USAGE", `GUNICORN_CMD_ARGS has no closing ${quote}: ${text}`);
  }
  if (word !== null) words.push(word);
  return words;
}
