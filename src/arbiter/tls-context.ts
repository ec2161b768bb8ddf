import type { Settings } from "../config/settings/all.ts";
import { TunicornError } from "../errors.ts";
import { USER_CODE_MS, type MoldHandle } from "./mold-handle.ts";
import type { TlsContext } from "./mold-messages.ts";

/**
 * Has the mold call the hook ssl_context, which makes a context of Python's. Gunicorn calls it in the workers, for each
 * connection or once; here once for each generation, since the router speaks TLS and only needs to know what is wanted.
 * Without a certificate it is not called.
 */
export async function askTlsContext(mold: MoldHandle, settings: Settings): Promise<TlsContext | null> {
  if (settings.certfile === null && settings.keyfile === null) return null;
  const answer = await mold.ask({ type: "make-tls-context", settings }, USER_CODE_MS);
  if (answer.type === "tls-context-failed") throw new TunicornError("ERR_TLS", answer.message);
  if (answer.type !== "tls-context") {
    throw new TunicornError("ERR_PROTOCOL", `The mold answered ${answer.type}`);
  }
  return answer.context;
}
