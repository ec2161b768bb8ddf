import { NodeParser } from "./node-outcome.ts";
import { mutate, Random } from "./mutation.ts";
import { readRequestCases, encodeWireText } from "../helpers/request-case.ts";
import { parseWhole, defaultRules } from "./parse-outcome.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
const node = new NodeParser();
const counts = new Map<string, [number, string]>();
let t = performance.now();
let n = 0;
const cases = [...readRequestCases("valid"), ...readRequestCases("invalid")];
const inputs: [string, Buffer][] = cases.map((c) => [c.name, c.input]);
const r = new Random(Number(process.argv[2] ?? 1));
const small = cases.filter((c) => c.input.length > 0 && c.input.length < 600);
for (let i = 0; i < Number(process.argv[3] ?? 5000); i++) inputs.push(["m" + i, mutate(r, small)]);
for (const [name, input] of inputs) {
  n++;
  const o = parseWhole(defaultRules, input);
  const closeAt = o.requests.findIndex((r) => !r.keepAlive);
  const ours = closeAt < 0 ? o.requests : o.requests.slice(0, closeAt + 1);
  const theirs = await node.parse(input);
  let key = "same";
  for (let i = 0; i < Math.min(ours.length, theirs.requests.length); i++) {
    const a = ours[i]!,
      b = theirs.requests[i]!;
    const x = JSON.stringify([a.method, a.target, a.fields, a.body]),
      y = JSON.stringify([b.method, b.target, b.fields, b.body]);
    if (x !== y) console.log("MEANING", name, x, y);
  }
  if (ours.length > theirs.requests.length) key = "only ours: " + theirs.refusal;
  else if (ours.length < theirs.requests.length) {
    const p = new RequestParser(defaultRules.limits);
    p.feed(input);
    let e;
    let m = "(none)";
    while ((e = p.next()) !== null) if (e.type === "fault") m = e.fault.code + " " + e.fault.message;
    key =
      "only node: " +
      (closeAt < 0 ? m.replace(/"(?:[^"\\]|\\.)*"/, '"…"').replace(/0x\w\w/, "0x…") : "closed");
  }
  const k = counts.get(key);
  if (k) k[0]++;
  else counts.set(key, [1, encodeWireText(input).slice(0, 300)]);
}
console.log(n, performance.now() - t);
for (const [k, v] of [...counts].sort()) console.log(k, v);
