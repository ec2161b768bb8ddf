/** The fields that the engine itself acts upon. */
export type KnownField =
  | "host"
  | "content-length"
  | "transfer-encoding"
  | "connection"
  | "expect"
  | "content-type";

/** One spelling of a field name, looked up instead of made anew for each request. */
export interface FieldName {
  readonly lower: string;
  /** Set when the engine acts upon the field, so that all others cost one comparison. */
  readonly known: KnownField | null;
}

const knownFields: ReadonlySet<string> = new Set<KnownField>([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "expect",
  "content-type",
]);

/** Enough for what clients really send; beyond it names are made per request, so memory is bounded. */
const CACHE_LIMIT = 1024;
const cache = new Map<string, FieldName>();

function isKnownField(name: string): name is KnownField {
  return knownFields.has(name);
}

/** The record of a field name as the client spelt it. The name must be a valid token. */
export function fieldNameOf(spelling: string): FieldName {
  const cached = cache.get(spelling);
  if (cached !== undefined) return cached;
  const lower = spelling.toLowerCase();
  const name: FieldName = { lower, known: isKnownField(lower) ? lower : null };
  if (cache.size < CACHE_LIMIT && spelling.length <= 64) cache.set(spelling, name);
  return name;
}
