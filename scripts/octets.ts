/** What the scripts share that write recordings by hand. */

/** A part of a recording; a text is latin-1. */
export type Octets = Buffer | string;

export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(" ", ""), "hex");
}

export function join(parts: readonly Octets[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}

/** Readable in every editor: what is not printable ASCII is escaped. */
export function toAsciiJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
