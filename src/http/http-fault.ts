import { TunicornError, type ErrorCode } from "../errors.ts";

/** A request that is refused by the engine itself; `status` is the answer's. */
export class HttpFault extends TunicornError {
  constructor(code: ErrorCode, message: string) {
    super(code, message);
    this.name = "HttpFault";
  }

  get status(): number {
    return this.kind.httpStatus ?? 500;
  }
}

/** Text from a client, made safe for a log line: short, quoted, nothing but printable ASCII. */
export function quoteForLog(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
