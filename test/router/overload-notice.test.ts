import assert from "node:assert/strict";
import { test } from "node:test";

import { OverloadNotice } from "../../src/router/overload-notice.ts";

test("OverloadNotice names the first refusal at once, and counts the others once a minute", () => {
  const lines: string[] = [];
  let now = 0;
  const notice = new OverloadNotice({ warning: (line) => lines.push(line) }, () => now);

  notice.requestRefused("GET", "/first");
  for (let count = 0; count < 1000; count += 1) notice.requestRefused("GET", "/next");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^Answered 503 to GET \/first: .*queue_size, queue_timeout, buffer_memory/);

  now = 60_000;
  notice.connectionRefused("203.0.113.9");
  assert.equal(lines.length, 2);
  assert.match(
    lines[1] ?? "",
    /^Answered 503 to a connection from 203\.0\.113\.9 and, since the last such line, to 1000 more: .*max_connections/,
  );
});
