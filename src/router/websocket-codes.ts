/** Close codes (RFC 6455 section 7.4.1, and the IANA registry). */
export const NORMAL = 1000;
export const GOING_AWAY = 1001;
const PROTOCOL_ERROR = 1002;
/** Never sent: the connection ended without a close. */
export const ABNORMAL = 1006;
export const POLICY_VIOLATION = 1008;
export const INTERNAL_ERROR = 1011;
export const SERVICE_RESTART = 1012;
export const TRY_AGAIN_LATER = 1013;

/** Bytes of a reason: a control frame carries no more. */
const REASON_LIMIT_BYTES = 123;

/** What a client did wrong, by the code of the library's error; any other of its errors is a protocol error. */
const FAULT_CODES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: POLICY_VIOLATION,
};

/** The code with which the library closes because of an error; null: it has sent none. */
export function codeOfFault(error: Error): number | null {
  if (!("code" in error) || typeof error.code !== "string" || !error.code.startsWith("WS_ERR_")) return null;
  return FAULT_CODES[error.code] ?? PROTOCOL_ERROR;
}

/** Whether a close frame may be sent so. Workers have looked already. */
export function isSendable(code: number, reason: string): boolean {
  const isKnown = code >= 1000 && code <= 1014 && ![1004, 1005, ABNORMAL].includes(code);
  return (isKnown || (code >= 3000 && code <= 4999)) && Buffer.byteLength(reason) <= REASON_LIMIT_BYTES;
}
