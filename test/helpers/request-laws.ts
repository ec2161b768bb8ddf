import type { ParsedRequest } from "./parse-outcome.ts";

/** What no request that reaches an application may be, written without regard to how the parser is. */
export function brokenLaw(request: ParsedRequest, isComplete: boolean): string | undefined {
  const { method, target, path, query, version, host, fields, body } = request;
  const valuesOf = (name: string): string[] =>
    fields.filter((field) => field[0] === name).map((field) => field[1]);
  const hosts = valuesOf("host");
  const lengths = valuesOf("content-length");
  const codings = valuesOf("transfer-encoding");
  const laws: Readonly<Record<string, boolean>> = {
    "a method that is no token": /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method),
    "a target that is not visible ASCII": /^[\x21-\x7e]+$/.test(target),
    "a target of no known form":
      /^(\/|\*$|https?:\/\/)/i.test(target) && (target !== "*" || method === "OPTIONS"),
    "a fragment": !target.includes("#"),
    "a path or query that was not in the target":
      (target.includes(path) || path === "/" || (path === "*" && method === "OPTIONS")) &&
      target.includes(query),
    "an encoded NUL in the path": !path.includes("%00"),
    "a field name that is no token": fields.every(([name]) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)),
    "a control octet in a field value": fields.every(([, value]) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)),
    "white space around a field value": fields.every(([, value]) => !/^[\t ]|[\t ]$/.test(value)),
    "a number of Host fields other than one":
      hosts.length === 1 || (version === "HTTP/1.0" && hosts.length === 0),
    "a Host that cannot be one": hosts.every(
      (each) => /^[\x21-\x7e]+$/.test(each) && !/[/?#@"\\<>]/.test(each),
    ),
    "no authority": host !== "" || version === "HTTP/1.0",
    "two Content-Length fields": lengths.length <= 1,
    "a Content-Length that is no number": lengths.every((each) => /^[0-9]+$/.test(each)),
    "both Content-Length and Transfer-Encoding": lengths.length === 0 || codings.length === 0,
    "Transfer-Encoding on HTTP/1.0": codings.length === 0 || version === "HTTP/1.1",
    "a last coding other than chunked":
      codings.length === 0 || /(^|[, \t])chunked[ \t,]*$/i.test(codings.join(",")),
    "a body without framing": body === "" || lengths.length + codings.length > 0,
    "a body longer than its Content-Length": lengths.every((each) => body.length <= Number(each)),
    "a body shorter than its Content-Length":
      !isComplete || lengths.every((each) => body.length === Number(each)),
  };
  return Object.keys(laws).find((law) => laws[law] === false);
}
