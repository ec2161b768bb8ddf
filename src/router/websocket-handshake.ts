import { listMembers } from "../http/blanks.ts";
import { HttpFault, quoteForLog } from "../http/http-fault.ts";
import { fieldValue, type RequestHead } from "../http/request-head.ts";

/** The version that there is (RFC 6455 section 4.1). */
export const WEBSOCKET_VERSION = "13";

/** Sixteen octets in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a request asks for a WebSocket (RFC 6455 section 4.2.1); other upgrades are left alone. */
export function isWebSocketHandshake(head: RequestHead): boolean {
  if (head.method !== "GET" || head.version !== "HTTP/1.1" || head.framing.type !== "none") return false;
  // Nearly all requests go no further.
  if (fieldValue(head, "upgrade") === undefined) return false;
  return has(head, "upgrade", "websocket") && has(head, "connection", "upgrade") && head.variables === null;
}

/** Throws a fault for a handshake that cannot succeed, whatever the application says. */
export function checkHandshake(head: RequestHead): void {
  const key = fieldValue(head, "sec-websocket-key") ?? "";
  if (!KEY.test(key)) {
    throw new HttpFault("ERR_WEBSOCKET_HANDSHAKE", `Invalid Sec-WebSocket-Key ${quoteForLog(key)}`);
  }
  const version = fieldValue(head, "sec-websocket-version") ?? "";
  if (version !== WEBSOCKET_VERSION) {
    throw new HttpFault(
      "ERR_WEBSOCKET_VERSION",
      `WebSocket version ${quoteForLog(version)} is not offered, want ${WEBSOCKET_VERSION}`,
    );
  }
  const offered = valuesOf(head, "sec-websocket-protocol").flatMap(listMembers);
  if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
    throw new HttpFault(
      "ERR_WEBSOCKET_HANDSHAKE",
      `Invalid Sec-WebSocket-Protocol ${quoteForLog(offered.join())}`,
    );
  }
}

/** The fields of a handshake that decide about the answer, in the form of Node's own requests. */
export function handshakeFields(head: RequestHead): Record<string, string> {
  const fields: Record<string, string> = { upgrade: "websocket" };
  for (const name of ["key", "version", "protocol", "extensions"]) {
    const values = valuesOf(head, `sec-websocket-${name}`);
    if (values.length > 0) fields[`sec-websocket-${name}`] = values.join(", ");
  }
  return fields;
}

function has(head: RequestHead, lowerName: string, member: string): boolean {
  return valuesOf(head, lowerName).some((value) =>
    listMembers(value).some((each) => each.toLowerCase() === member),
  );
}

function valuesOf({ names, values }: RequestHead, lowerName: string): readonly string[] {
  return values.filter((_, index) => names[index]?.lower === lowerName);
}
