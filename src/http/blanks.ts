/** Removes SP and HTAB at both ends. A loop: a regular expression takes quadratic time over inner white space. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** The members of a comma-separated list, without empty ones (RFC 9110 section 5.6.1.2). */
export function listMembers(value: string): string[] {
  return value
    .split(",")
    .map(trimBlanks)
    .filter((member) => member !== "");
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
