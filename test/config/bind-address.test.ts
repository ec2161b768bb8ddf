import assert from "node:assert/strict";
import { test } from "node:test";

import { type BindAddress, bindList, parseBindAddress } from "../../src/config/bind-address.ts";

function tcp(host: string, port: number): BindAddress {
  return { type: "tcp", host, port };
}

const addresses: Readonly<Record<string, BindAddress>> = {
  "127.0.0.1:8000": tcp("127.0.0.1", 8000),
  "127.0.0.1:0": tcp("127.0.0.1", 0),
  "0.0.0.0:65535": tcp("0.0.0.0", 65535),
  " 127.0.0.1:80 ": tcp("127.0.0.1", 80),
  "localhost:8000": tcp("localhost", 8000),
  "App.Example.COM:8000": tcp("app.example.com", 8000),
  localhost: tcp("localhost", 8000),
  "10.0.0.1": tcp("10.0.0.1", 8000),
  "8001": tcp("0.0.0.0", 8001),
  "0": tcp("0.0.0.0", 0),
  ":8001": tcp("0.0.0.0", 8001),
  "": tcp("0.0.0.0", 8000),
  "[::1]:8000": tcp("::1", 8000),
  "[::1]": tcp("::1", 8000),
  "[2001:DB8::A]:80": tcp("2001:db8::a", 80),
  "[::ffff:127.0.0.1]:80": tcp("::ffff:127.0.0.1", 80),
  "tcp://127.0.0.1:8000": tcp("127.0.0.1", 8000),
  "tcp://[::1]:8000": tcp("::1", 8000),
  "unix:/run/app.sock": { type: "unix", path: "/run/app.sock" },
  "unix:///run/app.sock": { type: "unix", path: "/run/app.sock" },
  "unix:app.sock": { type: "unix", path: "app.sock" },
  "unix:/run/with:colon": { type: "unix", path: "/run/with:colon" },
  "unix:@name": { type: "abstract", name: "name" },
  "unix://@na/me": { type: "abstract", name: "na/me" },
  "unix:./@name": { type: "unix", path: "./@name" },
  "fd://3": { type: "descriptor", fd: 3 },
  "fd://0": { type: "descriptor", fd: 0 },
  "unix:/run/With Space": { type: "unix", path: "/run/With Space" },
};

for (const [written, address] of Object.entries(addresses)) {
  test(`parseBindAddress() reads "${written}"`, () => {
    assert.deepEqual(parseBindAddress(written), address);
  });
}

const refused: readonly { readonly written: string; readonly wanted: RegExp }[] = [
  { written: "localhost:99999", wanted: /a port of 0 to 65535 instead of "99999"/ },
  { written: "65536", wanted: /"65536"/ },
  { written: "http://localhost:8000/", wanted: /^localhost:8000, without a scheme$/ },
  { written: "/run/app.sock", wanted: /^unix:\/run\/app\.sock for a path$/ },
  { written: "./app.sock", wanted: /^unix:\.\/app\.sock for a path$/ },
  { written: "localhost:http", wanted: /"http"/ },
  { written: "localhost:-1", wanted: /"-1"/ },
  { written: "localhost:8000.0", wanted: /"8000\.0"/ },
  { written: "localhost:", wanted: /a port of 0 to 65535/ },
  { written: ":", wanted: /a port of 0 to 65535/ },
  { written: "::1", wanted: /\[IPv6\]:port/ },
  { written: "::1:8000", wanted: /\[IPv6\]:port/ },
  { written: "[::1", wanted: /\[IPv6\]:port/ },
  { written: "[::1]8000", wanted: /\[IPv6\]:port/ },
  { written: "[app]:8000", wanted: /\[IPv6\]:port/ },
  { written: "[]:8000", wanted: /\[IPv6\]:port/ },
  { written: "a:1:2", wanted: /host:port/ },
  { written: "localhost/app", wanted: /host:port/ },
  { written: "unix:", wanted: /unix:PATH/ },
  { written: "unix:@", wanted: /unix:@NAME/ },
  { written: "fd://", wanted: /fd:\/\/NUMBER/ },
  { written: "fd://x", wanted: /fd:\/\/NUMBER/ },
  { written: "fd://-1", wanted: /fd:\/\/NUMBER/ },
];

for (const { written, wanted } of refused) {
  test(`parseBindAddress() refuses "${written}" and says what it wants`, () => {
    assert.throws(() => parseBindAddress(written), { name: "WantedError", message: wanted });
  });
}

test("bindList() reads a list, and one text with commas", () => {
  assert.deepEqual(bindList(["127.0.0.1:80", " unix:/a "]), ["127.0.0.1:80", "unix:/a"]);
  assert.deepEqual(bindList("127.0.0.1:80, unix:/a"), ["127.0.0.1:80", "unix:/a"]);
  assert.deepEqual(bindList("8000"), ["8000"]);
});

test("bindList() keeps the text of an address as it was written", () => {
  assert.deepEqual(bindList(["LOCALHOST:80"]), ["LOCALHOST:80"]);
});

for (const input of [
  [],
  null,
  undefined,
  8000,
  {},
  [8000],
  ["127.0.0.1:80", null],
  ["127.0.0.1:x"],
  "a:x,8000",
]) {
  test(`bindList() refuses ${JSON.stringify(input) ?? "undefined"}`, () => {
    assert.throws(() => bindList(input), { name: "WantedError" });
  });
}
