import { METHODS } from "node:http";

import type { ParsedRequest } from "../helpers/parse-outcome.ts";

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
  /** What the input must hold for it, where the refusal alone could hide something else. */
  readonly holds?: RegExp;
  /** The same of the request that tunicorn accepts. */
  readonly explains?: (request: ParsedRequest) => boolean;
}

/** Every known difference; docs/http.md has a row for each name, with the reason. */
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
    holds: /^\S+(?: {2,}\S+ +| +\S+ {2,})\S+\r$/m,
  },
  {
    name: "version-missing",
    acceptedBy: "node",
    refusal: /Invalid request line: the (target must be visible ASCII between single|version must be)/,
    holds: /^\S+ +\S+ *$/m,
  },
  { name: "version-not-offered", acceptedBy: "node", refusal: /^ERR_HTTP_VERSION / },
  {
    name: "protocol-other-than-http",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_REQUEST_LINE Invalid version "(RTSP|ICE)\//,
  },
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
    name: "transfer-encoding-malformed",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_TRANSFER_ENCODING Transfer-Encoding .* is not made of /,
  },
  {
    name: "transfer-encoding-malformed",
    acceptedBy: "node",
    refusal: /^ERR_HTTP_TRANSFER_ENCODING Both /,
    holds: /^transfer-encoding:[ \t,]*\r$/im,
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
  {
    name: "close-and-keep-alive",
    acceptedBy: "node",
    refusal: /^closed after/,
    holds: /^connection:.*close/im,
  },
  {
    name: "method-unknown-to-node",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_METHOD/,
    explains: ({ method }) => !METHODS.includes(method),
  },
  {
    name: "minor-version-later",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_VERSION/,
    holds: / HTTP\/1\.[2-9]\r$/m,
  },
  {
    name: "content-length-with-tab",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_CONTENT_LENGTH/,
    holds: /^content-length:[ \t]*[0-9]+[ \t]*\r$/im,
  },
  {
    name: "transfer-encoding-list",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_TRANSFER_ENCODING/,
    holds: /^transfer-encoding:(?:.*\t|(?:.*,)?[ \t]*(?:,.*)?\r$)/im,
  },
  {
    name: "chunk-extension-with-space",
    acceptedBy: "tunicorn",
    refusal: /^HPE_INVALID_CHUNK_SIZE|^HPE_STRICT: Invalid character in chunk ext/,
    holds: /^[0-9a-f]+(?:[ \t]*;[^\r\n]*)?[ \t][^\r\n]*\r$/im,
  },
  {
    name: "expectation-empty",
    acceptedBy: "tunicorn",
    refusal: /^417$/,
    holds: /^expect:[ \t,]*\r$/im,
  },
  {
    name: "request-after-upgrade",
    acceptedBy: "tunicorn",
    refusal: /^nothing$/,
    holds: /^upgrade:/im,
  },
];

export const differenceNames: readonly string[] = [...new Set(differences.map(({ name }) => name))];

/** The name of the difference, or, when it is not known, all that is known of it. */
export function differenceOf({ acceptedBy, refusal, input, request }: Disagreement): string {
  const text = input.toString("latin1");
  const known = differences.find(
    (difference) =>
      difference.acceptedBy === acceptedBy &&
      difference.refusal.test(refusal) &&
      (difference.holds?.test(text) ?? true) &&
      (request === undefined || (difference.explains?.(request) ?? true)),
  );
  return known?.name ?? `accepted by ${acceptedBy} only, unexplained by ${refusal}`;
}
