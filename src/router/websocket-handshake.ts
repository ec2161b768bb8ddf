import { listMembers } from "../http/blanks.ts";
import { HttpFault, quoteForLog } from "../http/http-fault.ts";
import type { RequestHead } from "../http/request-head.ts";
import { asksForUpgrade } from "./upgrade.ts";

/** The version that there is (RFC 6455 section 4.1). */
export const WEBSOCKET_VERSION = "13";

/** Sixteen octets in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a request asks for a WebSocket (RFC 6455 section 4.2.1); other upgrades are left alone. */
export function isWebSocketHandshake(head: RequestHead): boolean {
  return (
    asksForUpgrade(head) &&
    valuesOf(head, "upgrade").some((value) =>
      listMembers(value).some((protocol) => protocol.toLowerCase() === "websocket"),
    )
  );
}

/** Whether it asks for one of the version whose frames are known. */
export function isOfVersion13(head: RequestHead): boolean {
  return (
    isWebSocketHandshake(head) && valuesOf(head, "sec-websocket-version").join(", ") === WEBSOCKET_VERSION
  );
}

/** Throws a fault for a handshake that cannot succeed, whatever the application says. */
export function checkHandshake(head: RequestHead): void {
  const key = valuesOf(head, "sec-websocket-key").join(", ");
  if (!KEY.test(key)) {
    throw new HttpFault("ERR_WEBSOCKET_HANDSHAKE", `Invalid Sec-WebSocket-Key ${quoteForLog(key)}`);
  }
  const version = valuesOf(head, "sec-websocket-version").join(", ");
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

function valuesOf({ names, values }: RequestHead, lowerName: string): readonly string[] {
  return values.filter((_, index) => names[index]?.lower === lowerName);
}
