import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import {
  boolean,
  byteSize,
  commaList,
  environmentList,
  existingFolder,
  logLevel,
  modeMask,
  nameOrNumber,
  networkList,
  oneOf,
  optionalText,
  positiveNumber,
  seconds,
  text,
  textList,
  textMapping,
  textOrNone,
  wholeNumber,
} from "../../src/config/parsers.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface ParserCase {
  readonly name: string;
  readonly parse: (input: unknown) => unknown;
  /** What is written, and what it means. */
  readonly accepts: readonly (readonly [unknown, unknown])[];
  readonly refuses: readonly unknown[];
  /** Continues "want ...". */
  readonly wanted: RegExp;
}

const parsers: readonly ParserCase[] = [
  {
    name: "byteSize",
    parse: byteSize,
    accepts: [
      [0, 0],
      [4096, 4096],
      ["4096", 4096],
      ["512K", 512 * 1024],
      ["300M", 300 * 1024 * 1024],
      ["300 MiB", 300 * 1024 * 1024],
      ["300mb", 300 * 1024 * 1024],
      ["2g", 2 * 1024 ** 3],
    ],
    refuses: [-1, "-1M", "M", "1.5G", "1T", "", null, true, "9007199254740991K"],
    wanted: /bytes, or a size such as 300M or 2G/,
  },
  {
    name: "seconds",
    parse: seconds,
    accepts: [
      [0, 0],
      [90, 90],
      ["90", 90],
      ["90s", 90],
      ["90m", 5400],
      ["12 h", 43_200],
      ["1D", 86_400],
    ],
    refuses: [-1, "1.5h", "h", "1w", "", null, true],
    wanted: /seconds, or a time such as 90m, 12h or 1d/,
  },
  {
    name: "modeMask",
    parse: modeMask,
    accepts: [
      [0, 0],
      [0o117, 0o117],
      ["0", 0],
      ["22", 22],
      ["022", 0o22],
      ["0022", 0o22],
      ["0o22", 0o22],
      ["0x12", 0x12],
      ["0777", 0o777],
    ],
    refuses: [-1, 0o1000, "01000", "0999", "rwx", null, 1.5],
    wanted: /^a mask of 0 to 0o777, such as 0o022$/,
  },
  {
    name: "nameOrNumber",
    parse: nameOrNumber,
    accepts: [
      [null, null],
      ["", null],
      ["www-data", "www-data"],
      [" www-data ", "www-data"],
      [33, "33"],
      ["33", "33"],
    ],
    refuses: [-1, 1.5, true, ["www-data"]],
    wanted: /text|a whole number of 0 or more/,
  },
  {
    name: "wholeNumber",
    parse: wholeNumber,
    accepts: [
      [0, 0],
      [30, 30],
      ["0", 0],
      ["30", 30],
      [" 30 ", 30],
      ["0x1F", 31],
      ["0o17", 15],
      ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ],
    refuses: [
      -1,
      "-1",
      "+1",
      0.5,
      "0.5",
      "1e3",
      "",
      " ",
      "ten",
      "1 0",
      "9007199254740992",
      Number.NaN,
      Infinity,
      null,
      undefined,
      true,
      [],
      {},
    ],
    wanted: /^a whole number of 0 or more$/,
  },
  {
    name: "positiveNumber",
    parse: positiveNumber,
    accepts: [
      [1, 1],
      ["4", 4],
      ["0x10", 16],
    ],
    refuses: [0, "0", -1, "-1", 1.5, "", "many", null, true, []],
    wanted: /^a whole number of [01] or more$/,
  },
  {
    name: "boolean",
    parse: boolean,
    accepts: [
      [true, true],
      [false, false],
      ["True", true],
      ["true", true],
      [" FALSE ", false],
      [null, false],
    ],
    refuses: ["yes", "on", "1", "", 1, 0, undefined, []],
    wanted: /^True or False$/,
  },
  {
    name: "text",
    parse: text,
    accepts: [
      ["a b", "a b"],
      ["  a ", "a"],
      ["", ""],
    ],
    refuses: [1, true, null, undefined, ["a"], {}],
    wanted: /^text$/,
  },
  {
    name: "optionalText",
    parse: optionalText,
    accepts: [
      ["a", "a"],
      ["", null],
      ["  ", null],
      [null, null],
      [undefined, null],
    ],
    refuses: [1, false, ["a"]],
    wanted: /^text$/,
  },
  {
    name: "textOrNone",
    parse: textOrNone,
    accepts: [
      [" a ", "a"],
      [null, ""],
    ],
    refuses: [1, false, ["a"]],
    wanted: /^text$/,
  },
  {
    name: "textList",
    parse: textList,
    accepts: [
      ["a", ["a"]],
      ["a,b", ["a,b"]],
      [
        ["a", " b "],
        ["a", "b"],
      ],
      [[], []],
      [null, []],
    ],
    refuses: [1, [1], ["a", null], {}],
    wanted: /^text/,
  },
  {
    name: "commaList",
    parse: commaList,
    accepts: [
      ["a, b,,c ", ["a", "b", "c"]],
      ["", []],
      [
        ["a,b", "c"],
        ["a", "b", "c"],
      ],
      [null, []],
    ],
    refuses: [1, [1]],
    wanted: /^text/,
  },
  {
    name: "environmentList",
    parse: environmentList,
    accepts: [
      ["A=b", ["A=b"]],
      [
        ["A=", "B=c=d, e"],
        ["A=", "B=c=d, e"],
      ],
      [[], []],
    ],
    refuses: ["A", "=b", ["A=b", "C"], 1],
    wanted: /^(NAME=value instead of "|text)/,
  },
  {
    name: "networkList",
    parse: networkList,
    accepts: [
      ["127.0.0.1,::1", ["127.0.0.1", "::1"]],
      ["*", ["*"]],
      [
        ["10.0.0.0/8", "2001:db8::/32"],
        ["10.0.0.0/8", "2001:db8::/32"],
      ],
      ["0.0.0.0/0", ["0.0.0.0/0"]],
      ["::/128", ["::/128"]],
      ["", []],
    ],
    refuses: [
      "localhost",
      "10.0.0",
      "10.0.0.1/33",
      "::1/129",
      "10.0.0.1/",
      "10.0.0.1/8/8",
      "10.0.0.1/-1",
      "10.0.0.256",
      "*.*",
      "10.0.0.1 10.0.0.2",
      1,
    ],
    wanted: /^(IP addresses, CIDR ranges or \* instead of "|text)/,
  },
  {
    name: "oneOf",
    parse: oneOf(["drop", "refuse"]),
    accepts: [
      ["drop", "drop"],
      [" Refuse ", "refuse"],
    ],
    refuses: ["keep", "", 1, null, ["drop"]],
    wanted: /^(one of drop, refuse|text)$/,
  },
  {
    name: "textMapping",
    parse: textMapping,
    accepts: [
      [
        { A: "b", " C ": " d " },
        { A: "b", C: "d" },
      ],
      [{}, {}],
    ],
    refuses: ["A=b", ["A"], null, { A: 1 }, { A: null }],
    wanted: /^(a dictionary of texts|text)$/,
  },
  {
    name: "logLevel",
    parse: logLevel,
    accepts: [
      ["debug", "debug"],
      ["INFO", "info"],
      ["Warning", "warning"],
      ["warn", "warning"],
      ["error", "error"],
      ["critical", "critical"],
      ["fatal", "critical"],
    ],
    refuses: ["loud", "", 10, null],
    wanted: /^(one of debug, info, warning, error, critical|text)$/,
  },
];

for (const { name, parse, accepts, refuses, wanted } of parsers) {
  for (const [input, value] of accepts) {
    test(`${name}() reads ${show(input)} as ${show(value)}`, () => {
      assert.deepEqual(parse(input), value);
    });
  }
  for (const input of refuses) {
    test(`${name}() refuses ${show(input)} and says what it wants`, () => {
      assert.throws(() => parse(input), { name: "WantedError", message: wanted });
    });
  }
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

test("existingFolder() gives the absolute path of a folder", async (t) => {
  const folder = await temporaryFolder(t, { "sub/file": "" });
  assert.equal(existingFolder(join(folder, "sub", "..", "sub")), join(folder, "sub"));
  assert.equal(existingFolder(` ${folder} `), folder);
  assert.equal(existingFolder("."), process.cwd());
});

test("existingFolder() refuses what is not there, and what is a file", async (t) => {
  const folder = await temporaryFolder(t, { file: "" });
  assert.throws(() => existingFolder(join(folder, "missing")), { message: "a folder that exists" });
  assert.throws(() => existingFolder(join(folder, "file")), { message: "a folder, not a file" });
  assert.throws(() => existingFolder(1), { name: "WantedError" });
});
