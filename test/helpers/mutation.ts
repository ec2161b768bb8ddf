import type { Random } from "./random.ts";
import { decodeWireText, type RequestCase } from "./request-case.ts";

/** What is put into an input: what parsers stumble over. */
const FRAGMENTS = [
  String.raw`\r\n|\r\n\r\n|\r|\n|\t| |:|,|;|\0|\xa0|\x85|\x7f|\\|"|%00|#|*|0|5|g|+|-|http://b|HTTP/1.0|chunked`,
  String.raw`Host: a\r\n|Host: b\r\n|Content-Length: 5\r\n|content-length:0\r\n|Connection: close\r\n| folded\r\n`,
  String.raw`Transfer-Encoding: chunked\r\n|Transfer-Encoding: gzip\r\n|Expect: 100-continue\r\n`,
  String.raw`0\r\n\r\n|5\r\nhello\r\n|;a="b"|GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
].flatMap((fragments) => fragments.split("|").map(decodeWireText));

/** An input of the corpus with one to four changes. */
export function mutate(random: Random, cases: readonly RequestCase[]): Buffer {
  let input = random.pick(cases).input;
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const start = random.below(input.length + 1);
    const end = Math.min(input.length, start + 1 + random.below(random.below(4) === 0 ? 64 : 4));
    const before = input.subarray(0, start);
    const after = input.subarray(end);
    switch (random.below(7)) {
      case 0: // Another octet.
        input = Buffer.concat([before, Buffer.from([random.below(256)]), input.subarray(start + 1)]);
        break;
      case 1: // A part is gone.
        input = Buffer.concat([before, after]);
        break;
      case 2: // A part comes twice.
        input = Buffer.concat([input.subarray(0, end), input.subarray(start)]);
        break;
      case 3: // A fragment in place of a part.
        input = Buffer.concat([before, random.pick(FRAGMENTS), after]);
        break;
      case 4: // A fragment more.
        input = Buffer.concat([before, random.pick(FRAGMENTS), input.subarray(start)]);
        break;
      case 5: // The end of another input.
        input = Buffer.concat([before, tailOf(random, random.pick(cases).input)]);
        break;
      default: // Another input after this one.
        input = Buffer.concat([input, random.pick(cases).input]);
    }
  }
  return input;
}

function tailOf(random: Random, input: Buffer): Buffer {
  return input.subarray(random.below(input.length));
}
