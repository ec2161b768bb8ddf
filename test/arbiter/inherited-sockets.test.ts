import assert from "node:assert/strict";
import { test } from "node:test";

import { describeInheritance, takeInheritance } from "../../src/arbiter/inherited-sockets.ts";

const PID = 4711;
const nothing = { predecessor: null, sockets: [], replacesBind: false, origin: "" };

test("takeInheritance() finds nothing in an ordinary environment, and leaves it as it is", () => {
  const environment = { PATH: "/bin", LISTEN_PID: "1", LISTEN_FDS: "2" };
  assert.deepEqual(takeInheritance(environment, PID), nothing);
  assert.deepEqual(environment, { PATH: "/bin", LISTEN_PID: "1", LISTEN_FDS: "2" });
});

test("takeInheritance() reads what systemd passed to this very process, and removes the variables", () => {
  const environment = {
    PATH: "/bin",
    LISTEN_PID: String(PID),
    LISTEN_FDS: "2",
    LISTEN_FDNAMES: "web:admin",
  };
  const { sockets, replacesBind, origin, predecessor } = takeInheritance(environment, PID);
  assert.deepEqual(
    sockets.map(({ fd, ownsFile }) => [fd, ownsFile]),
    [
      [3, false],
      [4, false],
    ],
  );
  assert.deepEqual([replacesBind, origin, predecessor], [true, "systemd (web, admin)", null]);
  assert.deepEqual(environment, { PATH: "/bin" });
});

for (const [what, text] of [
  ["none", "0"],
  ["no number", "two"],
  ["a negative number", "-1"],
] as const) {
  test(`takeInheritance() takes no socket when LISTEN_FDS is ${what}`, () => {
    assert.deepEqual(takeInheritance({ LISTEN_PID: String(PID), LISTEN_FDS: text }, PID), nothing);
  });
}

test("takeInheritance() reads what describeInheritance() wrote", () => {
  const sockets = [
    { fd: 3, address: "127.0.0.1:0", ownsFile: false },
    { fd: 4, address: "unix:/run/a,b.sock", ownsFile: true },
  ];
  for (const replacesBind of [true, false]) {
    const environment = describeInheritance(99, sockets, replacesBind);
    const inheritance = takeInheritance(environment, PID);
    assert.deepEqual(inheritance.sockets, sockets);
    assert.deepEqual([inheritance.predecessor, inheritance.replacesBind], [99, replacesBind]);
    assert.deepEqual(environment, {});
  }
});

test("takeInheritance() takes over from a Gunicorn, which says only descriptors: they are all that is listened on", () => {
  const { sockets, predecessor, replacesBind } = takeInheritance(
    { GUNICORN_PID: "12", GUNICORN_FD: "5,6" },
    PID,
  );
  assert.deepEqual(sockets, [
    { fd: 5, address: null, ownsFile: true },
    { fd: 6, address: null, ownsFile: true },
  ]);
  assert.deepEqual([predecessor, replacesBind], [12, true]);
});

test("takeInheritance() takes over from a Gunicorn under systemd, which says both", () => {
  const environment = { GUNICORN_PID: "12", LISTEN_PID: String(PID), LISTEN_FDS: "1" };
  const { sockets, predecessor, replacesBind } = takeInheritance(environment, PID);
  assert.deepEqual(sockets, [{ fd: 3, address: null, ownsFile: false }]);
  assert.deepEqual([predecessor, replacesBind], [12, true]);
  assert.deepEqual(environment, {});
});

test("takeInheritance() does not believe details that do not fit the descriptors", () => {
  const environment = { GUNICORN_PID: "12", GUNICORN_FD: "5", TUNICORN_SOCKETS: '{"sockets":[]}' };
  assert.deepEqual(takeInheritance(environment, PID).sockets, [{ fd: 5, address: null, ownsFile: true }]);
});
