import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerHead } from "../../src/router/answer-head.ts";

const cases = [
  ["an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nbody\r\n\r\nmore", 101, 12],
  ["a refusal", "HTTP/1.0 400 Bad Request\r\n\r\nno", 400, 2],
  [
    "an interim answer before it",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Go\r\n\r\nx",
    101,
    1,
  ],
  ["lines that end in LF alone", "HTTP/1.1 101 Go\nUpgrade: echo\n\nbody", 101, 4],
  ["no head that is complete", "HTTP/1.1 101 Go\r\nUpgrade: echo\r\n", 101, 0],
  ["no answer at all", "220 mail.test ESMTP\r\n", 0, 9],
  ["a status that cannot be", "HTTP/1.1 012 Odd\r\n\r\n", 0, 8],
  ["less than a status line", "HTTP/1.1 10", null, 0],
  ["nothing", "", null, 0],
] as const;

for (const [what, text, status, bodyBytes] of cases) {
  test(`AnswerHead reads ${what}, however it is cut`, () => {
    const whole = new AnswerHead();
    assert.deepEqual([whole.feed(Buffer.from(text)), whole.status], [bodyBytes, status]);
    assert.equal(whole.isEmpty, text === "");
    for (let cut = 0; cut <= text.length; cut += 1) {
      const head = new AnswerHead();
      const behind = head.feed(Buffer.from(text.slice(0, cut))) + head.feed(Buffer.from(text.slice(cut)));
      assert.deepEqual([behind, head.status], [bodyBytes, status], `cut at ${cut}`);
    }
  });
}
