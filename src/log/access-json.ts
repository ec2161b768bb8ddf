import { basicUser, namedAtomsOf, type AccessFormatter } from "./access-format.ts";

/**
 * Makes a formatter that writes a JSON object a line (`access_log_json`). The named atoms of the format, such
 * as `%({x-request-id}i)s`, become members of further objects; docs/logging.md lists all.
 */
export function compileAccessJson(format: string): AccessFormatter {
  const { requestFields, responseFields, environ } = namedAtomsOf(format);
  return (record) =>
    JSON.stringify({
      time: new Date().toISOString(),
      remote_address: record.remoteAddress || null,
      user: basicUser(record.requestField("authorization")) ?? null,
      method: record.method,
      target: text(record.target),
      path: text(record.environ("path_info") ?? record.path),
      query: text(record.query),
      protocol: record.protocol,
      status: record.status,
      bytes: record.bodyBytes,
      duration_ms: Math.round(record.durationMs * 1000) / 1000,
      referer: optionalText(record.requestField("referer")),
      user_agent: optionalText(record.requestField("user-agent")),
      pid: record.pid,
      request_headers: members(requestFields, (name) => record.requestField(name)),
      response_headers: members(responseFields, (name) => record.responseField(name)),
      environ: members(environ, (name) => record.environ(name)),
    });
}

/** Values by the names that the format asks for; left out when it asks for none. */
function members(
  names: readonly string[],
  valueOf: (lowerName: string) => string | undefined,
): Record<string, string | null> | undefined {
  if (names.length === 0) return undefined;
  return Object.fromEntries(names.map((name) => [name, optionalText(valueOf(name.toLowerCase()))]));
}

function optionalText(octets: string | undefined): string | null {
  return octets === undefined ? null : text(octets);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Octets of a request as text: UTF-8 where they are that, latin-1 otherwise. */
function text(octets: string): string {
  // An application may have put any text into its environ.
  if (!/[\u0080-\u00ff]/.test(octets) || /[\u0100-\uffff]/.test(octets)) return octets;
  try {
    return decoder.decode(Buffer.from(octets, "latin1"));
  } catch {
    return octets;
  }
}
