/** Which octets may stand where, as tables of 256 flags (RFC 9110 section 5.5 and 5.6.2, RFC 3986). */

function table(isAllowed: (octet: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (isAllowed(octet) ? 1 : 0));
}

function isOneOf(characters: string): (octet: number) => boolean {
  const octets = new Set(Buffer.from(characters, "latin1"));
  return (octet) => octets.has(octet);
}

const isAlphanumeric = (octet: number): boolean =>
  (octet >= 0x30 && octet <= 0x39) || (octet >= 0x41 && octet <= 0x5a) || (octet >= 0x61 && octet <= 0x7a);

const isTokenMark = isOneOf("!#$%&'*+-.^_`|~");

/** `tchar`: methods and field names. */
export const TOKEN = table((octet) => isAlphanumeric(octet) || isTokenMark(octet));

/** Field values: HTAB, SP, VCHAR and obs-text. No NUL, CR, LF, other controls or DEL. */
export const FIELD_VALUE = table((octet) => octet === 0x09 || (octet >= 0x20 && octet !== 0x7f));

/**
 * Request target: visible ASCII. Characters that RFC 3986 wants encoded (`"<>\^{|}` and the backquote)
 * are let through as browsers send them; octets above 0x7f and controls are not.
 */
export const TARGET = table((octet) => octet > 0x20 && octet < 0x7f);

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
