import { METHODS } from "node:http";

import type { ParsedRequest } from "./parse-outcome.ts";

/** A request that one of the two parsers accepts and the other does not, and why. */
export interface Disagreement {
  readonly acceptedBy: "node" | "tunicorn";
  /** What the other one said: our code and message, or Node's. */
  readonly refusal: string;
  readonly input: Buffer;
  /** The request, when it is tunicorn that accepts it. */
  readonly request: ParsedRequest | undefined;
}

interface Difference {
  readonly name: string;
  readonly acceptedBy: "node" | "tunicorn";
  readonly refusal: RegExp;
  /** Whether the input has what the difference is about, where the refusal alone does not say. */
  readonly explains?: (request: ParsedRequest, text: string) => boolean;
}

/** Every known difference; docs/http.md has a row for each, with the reason. */
const differences: readonly Difference[] = [
  {
    name: "octets-before-request-line",
    acceptedBy: "node",
    refusal: /Invalid request line: (a carriage return stands alone before|it does not begin with)/,
  },
  {
    name: "spaces-in-request-line",
    acceptedBy: "node",
    refusal: /Invalid request line: the (target must be visible ASCII between single|version must be)/,
  },
  { name: "version-not-offered", acceptedBy: "node", refusal: /^ERR_HTTP_VERSION / },
  { name: "target-with-fragment", acceptedBy: "node", refusal: /^ERR_HTTP_TARGET .*holds a fragment$/ },
  {
    name: "target-with-encoded-nul",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_TARGET .*holds an encoded NUL$/,
  },
  { name: "target-authority", acceptedBy: "node", refusal: /^ERR_HTTP_TARGET Invalid authority / },
  { name: "target-form", acceptedBy: "node", refusal: /^ERR_HTTP_TARGET Invalid request target / },
  { name: "host-repeated", acceptedBy: "node", refusal: /^ERR_HTTP_HOST .*is repeated$/ },
  { name: "host-malformed", acceptedBy: "node", refusal: /^ERR_HTTP_HOST Invalid Host / },
  { name: "content-type-repeated", acceptedBy: "node", refusal: /^ERR_HTTP_FIELD The Content-Type / },
  {
    name: "transfer-encoding-on-1.0",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_TRANSFER_ENCODING .* in HTTP\/1\.0$/,
  },
  {
    name: "transfer-encoding-empty",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_TRANSFER_ENCODING (Transfer-Encoding "" is not|Both )/,
  },
  { name: "transfer-coding-unknown", acceptedBy: "node", refusal: /^ERR_HTTP_UNKNOWN_CODING / },
  { name: "expectation-unknown", acceptedBy: "node", refusal: /^ERR_HTTP_EXPECTATION / },
  { name: "chunk-extension-malformed", acceptedBy: "node", refusal: /^ERR_HTTP_CHUNK .*invalid extensions$/ },
  {
    name: "chunk-line-too-long",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_CHUNK .*(chunk-size line is longer|extensions hold more)/,
  },
  { name: "trailer-forbidden", acceptedBy: "node", refusal: /^ERR_HTTP_FIELD .*may not come as a trailer$/ },
  { name: "request-line-too-long", acceptedBy: "node", refusal: /^ERR_HTTP_LINE_TOO_LONG / },
  { name: "field-too-large", acceptedBy: "node", refusal: /^ERR_HTTP_FIELD_TOO_LARGE / },
  { name: "too-many-fields", acceptedBy: "node", refusal: /^ERR_HTTP_TOO_MANY_FIELDS / },
  { name: "close-and-keep-alive", acceptedBy: "node", refusal: /^closed after/ },
  {
    name: "method-unknown-to-node",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_METHOD/,
    explains: ({ method }) => !METHODS.includes(method),
  },
  {
    name: "content-length-with-tab",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_CONTENT_LENGTH/,
    explains: (_, text) => /^content-length:[ ]*\t|^content-length:.*\t\r$/im.test(text),
  },
  {
    name: "transfer-encoding-list",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_TRANSFER_ENCODING/,
    explains: ({ fields }) => /(^|,)[ \t]*(,|$)|\t/.test(valueOf(fields, "transfer-encoding")),
  },
  {
    name: "chunk-extension-with-space",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_CHUNK_SIZE/,
    explains: (_, text) => /^[0-9a-f]+[ \t]*;.*\r$|^[0-9a-f]+[ \t]+\r$/im.test(text),
  },
  {
    name: "expectation-empty",
    acceptedBy: "tunicorn",
    refusal: /^417$/,
    explains: ({ fields }) => /^[ \t,]*$/.test(valueOf(fields, "expect")),
  },
  {
    name: "request-after-upgrade",
    acceptedBy: "tunicorn",
    refusal: /^nothing$/,
    explains: (_, text) => /^upgrade:/im.test(text),
  },
];

export const differenceNames: readonly string[] = differences.map(({ name }) => name);

/** The name of the difference, or, when it is not known, all that is known of it. */
export function differenceOf({ acceptedBy, refusal, input, request }: Disagreement): string {
  const text = input.toString("latin1");
  const known = differences.find(
    (difference) =>
      difference.acceptedBy === acceptedBy &&
      difference.refusal.test(refusal) &&
      (difference.explains === undefined || (request !== undefined && difference.explains(request, text))),
  );
  return known?.name ?? `accepted by ${acceptedBy} only, unexplained by ${refusal}`;
}

function valueOf(fields: ParsedRequest["fields"], name: string): string {
  return fields
    .filter((field) => field[0] === name)
    .map((field) => field[1])
    .join(",");
}
