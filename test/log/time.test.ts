import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { accessLogTime, errorLogTime } from "../../src/log/time.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** Node reads TZ anew when it is assigned. */
function useZone(t: TestContext, zone: string): void {
  const before = process.env["TZ"];
  process.env["TZ"] = zone;
  onTeardown(t, () => {
    if (before === undefined) {
      delete process.env["TZ"];
    } else {
      process.env["TZ"] = before;
    }
  });
}

interface TimeCase {
  readonly zone: string;
  readonly time: string;
  readonly error: string;
  readonly access: string;
}

const times: readonly TimeCase[] = [
  {
    zone: "UTC",
    time: "2026-11-20T23:49:21.999Z",
    error: "[2026-11-20 23:49:21 +0000]",
    access: "[20/Nov/2026:23:49:21 +0000]",
  },
  {
    zone: "UTC",
    time: "2027-01-02T03:04:05Z",
    error: "[2027-01-02 03:04:05 +0000]",
    access: "[02/Jan/2027:03:04:05 +0000]",
  },
  {
    zone: "Asia/Kathmandu",
    time: "2026-12-31T23:00:00Z",
    error: "[2027-01-01 04:45:00 +0545]",
    access: "[01/Jan/2027:04:45:00 +0545]",
  },
  {
    zone: "America/St_Johns",
    time: "2026-01-01T00:00:00Z",
    error: "[2025-12-31 20:30:00 -0330]",
    access: "[31/Dec/2025:20:30:00 -0330]",
  },
  {
    zone: "America/St_Johns",
    time: "2026-07-01T00:00:00Z",
    error: "[2026-06-30 21:30:00 -0230]",
    access: "[30/Jun/2026:21:30:00 -0230]",
  },
  {
    zone: "Pacific/Kiritimati",
    time: "2026-02-28T12:00:00Z",
    error: "[2026-03-01 02:00:00 +1400]",
    access: "[01/Mar/2026:02:00:00 +1400]",
  },
];

for (const { zone, time, error, access } of times) {
  test(`errorLogTime() and accessLogTime() write ${time} as it is in ${zone}`, (t) => {
    useZone(t, zone);
    assert.equal(errorLogTime(new Date(time)), error);
    assert.equal(accessLogTime(new Date(time)), access);
  });
}
