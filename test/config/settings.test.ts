import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { sections } from "../../src/config/setting.ts";
import { allSettings } from "../../src/config/settings/all.ts";
import { hookNames, hookParameters, hooksNotYet } from "../../src/config/settings/hooks.ts";
import { recordsNotYet, settingsNotYet } from "../../src/config/settings/not-yet.ts";
import { settingsText } from "../../src/config/settings-text.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import { differences } from "./gunicorn-differences.ts";
import {
  gunicornHooks,
  type GunicornSetting,
  gunicornSettings,
  gunicornVersion,
} from "./gunicorn-settings.ts";

const LONGEST_LINE = 115;

type Shape = (typeof allSettings)[number];

function isOwn(record: Shape): boolean {
  return "isOwn" in record && record.isOwn;
}

function isRepeatable(record: Shape): boolean {
  return "isRepeatable" in record && record.isRepeatable;
}

for (const record of allSettings) {
  const { name, flags, doc, defaultValue, metavar, section } = record;

  test(`The setting ${name} says in its first line what it is, in a sentence`, () => {
    const [first = "", second] = doc.split("\n");
    assert.match(first, /^\S.*\S\.$/);
    assert.ok(
      second === undefined || second === "",
      "an empty line stands between the first line and the rest",
    );
    assert.deepEqual(
      doc.split("\n").filter((line) => line.length > LONGEST_LINE || line !== line.trimEnd()),
      [],
    );
  });

  test(`The setting ${name} has a default that its own parser takes`, () => {
    assert.deepEqual(record.parse(defaultValue), defaultValue);
  });

  test(`The setting ${name} has flags in the form of flags, long ones first, in a known section`, () => {
    const isLong = flags.map((flag) => flag.startsWith("--"));
    assert.deepEqual(
      isLong,
      isLong.toSorted((a, b) => Number(b) - Number(a)),
    );
    for (const flag of flags) {
      assert.match(flag, /^(--[a-z][a-z0-9_-]+|-[A-Za-z])$/);
    }
    assert.ok(flags.length === 0 || isLong[0] === true, "a short flag stands for a long one");
    assert.equal(
      metavar === null && typeof defaultValue !== "boolean" && !("switchValue" in record),
      flags.length === 0,
      "a flag without a value is a switch",
    );
    assert.ok(sections.includes(section));
  });
}

test("No two settings share a name or a flag", () => {
  for (const all of [allSettings.map(({ name }) => name), allSettings.flatMap(({ flags }) => flags)]) {
    assert.deepEqual(
      all.filter((each, index) => all.indexOf(each) !== index),
      [],
    );
  }
});

test("The settings stand in the order of the sections, as --help shows them", () => {
  const order = allSettings.map(({ section }) => sections.indexOf(section));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

/** Gunicorn's default, or ours where it deliberately is another; a list may be a text with commas there. */
function expectedDefault({ name, defaultValue }: GunicornSetting, ours: unknown): unknown {
  const difference = differences[name];
  if (difference !== undefined && "defaultValue" in difference) return difference.defaultValue;
  return Array.isArray(ours) && typeof defaultValue === "string" ? defaultValue.split(",") : defaultValue;
}

test("The settings are compared with those of a Gunicorn that is installed", () => {
  assert.match(gunicornVersion, /^\d+\.\d+/);
  assert.ok(gunicornSettings.length >= 99 && gunicornHooks.length >= 20);
});

for (const gunicorns of gunicornSettings) {
  const { name, flags, isSwitch } = gunicorns;
  const further = differences[name]?.furtherFlags ?? [];
  const record = allSettings.find((each) => each.name === name);
  if (record === undefined) {
    test(`Gunicorn's setting ${name} is known by its name, flags and default, and has no effect yet`, () => {
      const known = recordsNotYet[name];
      assert.ok(known !== undefined);
      assert.deepEqual(known.flags.toSorted(), flags.toSorted());
      assert.deepEqual(known.defaultValue, expectedDefault(gunicorns, known.defaultValue));
      assert.ok(flags.length === 0 || known.isSwitch === isSwitch);
    });
    continue;
  }
  test(`Gunicorn's setting ${name} has Gunicorn's flags and default`, () => {
    assert.deepEqual(record.flags.toSorted(), [...flags, ...further].toSorted());
    assert.deepEqual(record.defaultValue, expectedDefault(gunicorns, record.defaultValue));
    assert.equal(isRepeatable(record), gunicorns.isRepeatable);
    assert.ok(flags.length === 0 || (record.metavar === null) === isSwitch, "a switch takes no value");
    assert.equal(isOwn(record), false);
    assert.ok(!settingsNotYet.includes(name), "it has an effect");
  });
}

test("Every deliberate difference is one, and has its reason", () => {
  for (const [name, { furtherFlags = [], reason, ...difference }] of Object.entries(differences)) {
    const gunicorns = gunicornSettings.find((each) => each.name === name);
    assert.ok(gunicorns !== undefined, `Gunicorn has no setting ${name}`);
    const isDifferent =
      "defaultValue" in difference && !isDeepStrictEqual(difference.defaultValue, gunicorns.defaultValue);
    assert.ok(isDifferent || furtherFlags.length > 0, `${name} does not differ`);
    assert.match(reason, /^[A-Z].{10,}/);
  }
});

test("What Gunicorn does not have is marked as tunicorn's own, and uses none of Gunicorn's flags", () => {
  const names = new Set(gunicornSettings.map(({ name }) => name));
  const flags = new Set(gunicornSettings.flatMap((setting) => setting.flags));
  for (const record of allSettings) {
    if (!names.has(record.name)) {
      assert.ok(isOwn(record), `${record.name} is not marked`);
      assert.deepEqual(
        record.flags.filter((flag) => flags.has(flag)),
        [],
      );
    }
  }
});

test("Gunicorn's hooks are called, or known by name", () => {
  assert.deepEqual([...hookNames, ...hooksNotYet].toSorted(), gunicornHooks.toSorted());
});

test("docs/hooks.md has each hook with its arguments, in the order of a server's life", async () => {
  const page = await readFile(new URL("../../docs/hooks.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)\(([^)]*)\)` \| (?:mold|worker) \|/gm)];
  assert.deepEqual(
    rows.map(([, name, parameters]) => [name, parameters?.split(", ")]),
    Object.entries(hookParameters),
  );
});

test("What has no effect yet is Gunicorn's", () => {
  const names = new Set(gunicornSettings.map(({ name }) => name));
  assert.deepEqual(
    settingsNotYet.filter((name) => !names.has(name)),
    [],
  );
});

test("settingsText() writes every setting on a line of its own, sorted, in Python's words", () => {
  const values = new Map<Shape["name"], unknown>([
    ["raw_env", ["A=it's", "B=c\\d"]],
    ["preload_app", true],
    ["pidfile", "/run/it's.pid"],
  ]);
  const lines = settingsText(resolveSettings([{ source: "the test", values }]))
    .trimEnd()
    .split("\n");
  assert.equal(lines.length, allSettings.length);
  const entries = lines.map((line) => /^(\S+) += (.*)$/.exec(line)?.slice(1) ?? []);
  const names = entries.map(([name = ""]) => name);
  assert.deepEqual(names, names.toSorted());
  const shown = new Map(entries.map(([name = "", value = ""]) => [name, value]));
  assert.equal(shown.get("workers"), "1");
  assert.equal(shown.get("preload_app"), "True");
  assert.equal(shown.get("print_config"), "False");
  assert.equal(shown.get("accesslog"), "None");
  assert.equal(shown.get("bind"), "['127.0.0.1:8000']");
  assert.equal(shown.get("pidfile"), "/run/it's.pid");
  assert.equal(shown.get("raw_env"), String.raw`['A=it\'s', 'B=c\\d']`);
  assert.match(shown.get("secure_scheme_headers") ?? "", /^\{'X-FORWARDED-PROTOCOL': 'ssl', .*\}$/);
});

for (const [name, input, expected] of [
  ["statsd_prefix", null, ""],
  ["dogstatsd_tags", null, ""],
  ["root_path", null, ""],
  ["raw_env", null, []],
  ["reload_extra_files", null, []],
  ["forwarded_allow_ips", null, []],
  ["preload_app", null, false],
  ["proxy_protocol", null, "off"],
  ["proxy_protocol", "False", "off"],
  ["proxy_protocol", " 1", "auto"],
] as const) {
  test(`The setting ${name} takes ${input === null ? "None" : `"${input}"`} of a file, as Gunicorn does`, () => {
    const record = allSettings.find((setting) => setting.name === name);
    assert.deepEqual(record?.parse(input), expected);
  });
}
