import assert from "node:assert/strict";
import { test } from "node:test";

import { helpText, parseArguments } from "../../src/cli/arguments.ts";
import { sections } from "../../src/config/setting.ts";
import { allSettings } from "../../src/config/settings/all.ts";

function parse(...argv: readonly string[]) {
  return parseArguments(argv, "the command line");
}

interface ArgumentsCase {
  readonly what: string;
  readonly argv: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
  readonly application?: string;
}

const cases: readonly ArgumentsCase[] = [
  { what: "nothing", argv: [], values: {} },
  { what: "an application", argv: ["wsgi:app"], values: {}, application: "wsgi:app" },
  {
    what: "an application factory",
    argv: ['project:create_app("prod")'],
    values: {},
    application: 'project:create_app("prod")',
  },
  { what: "a long flag", argv: ["--workers", "4"], values: { workers: "4" } },
  { what: "a long flag with =", argv: ["--workers=4"], values: { workers: "4" } },
  { what: "a short flag", argv: ["-w", "4"], values: { workers: "4" } },
  { what: "a short flag that holds its value", argv: ["-w4"], values: { workers: "4" } },
  {
    what: "flags before and behind the application",
    argv: ["-w", "4", "wsgi:app", "--timeout", "5"],
    values: { workers: "4", timeout: "5" },
    application: "wsgi:app",
  },
  {
    what: "an application behind --",
    argv: ["-w", "4", "--", "wsgi:app"],
    values: { workers: "4" },
    application: "wsgi:app",
  },
  { what: "a switch", argv: ["--preload"], values: { preload_app: true } },
  {
    what: "a switch before the application, which is not its value",
    argv: ["--preload", "wsgi:app"],
    values: { preload_app: true },
    application: "wsgi:app",
  },
  {
    what: "a repeated flag whose last value holds",
    argv: ["-w", "2", "--workers", "3"],
    values: { workers: "3" },
  },
  {
    what: "repeated binds, which add up",
    argv: ["-b", "127.0.0.1:1", "--bind=127.0.0.1:2", "-bunix:/a"],
    values: { bind: ["127.0.0.1:1", "127.0.0.1:2", "unix:/a"] },
  },
  {
    what: "repeated variables, which add up",
    argv: ["-e", "A=b c", "--env", "B="],
    values: { raw_env: ["A=b c", "B="] },
  },
  {
    what: "the hyphen that means a standard stream",
    argv: ["--access-logfile", "-"],
    values: { accesslog: "-" },
  },
  { what: "an empty value", argv: ["--name", ""], values: { proc_name: "" } },
  { what: "a value that begins with a hyphen", argv: ["--name=-x"], values: { proc_name: "-x" } },
  {
    what: "Gunicorn's flag with an underscore",
    argv: ["--limit-request-field_size", "9"],
    values: { limit_request_field_size: "9" },
  },
  {
    what: "the same flag without",
    argv: ["--limit-request-field-size", "9"],
    values: { limit_request_field_size: "9" },
  },
  {
    what: "Gunicorn's first name of the error log",
    argv: ["--error-logfile", "a"],
    values: { errorlog: "a" },
  },
  { what: "Gunicorn's second name of the error log", argv: ["--log-file", "a"], values: { errorlog: "a" } },
  {
    what: "two names of one setting, of which the last holds",
    argv: ["--error-logfile", "a", "--log-file", "b"],
    values: { errorlog: "b" },
  },
  {
    what: "the same two names in the other order",
    argv: ["--log-file", "a", "--error-logfile", "b"],
    values: { errorlog: "b" },
  },
  {
    what: "a flag whose value may be left out, with one",
    argv: ["--proxy-protocol", "v2"],
    values: { proxy_protocol: "v2" },
  },
  {
    what: "a flag whose value may be left out, without",
    argv: ["--proxy-protocol"],
    values: { proxy_protocol: true },
  },
];

for (const { what, argv, values, application = null } of cases) {
  test(`parseArguments() reads ${what}`, () => {
    const parsed = parse(...argv);
    assert.deepEqual(Object.fromEntries(parsed.layer.values), values);
    assert.equal(parsed.application, application);
    assert.equal(parsed.wantsHelp, false);
    assert.equal(parsed.wantsVersion, false);
  });
}

test("parseArguments() names its source", () => {
  assert.equal(parseArguments([], "GUNICORN_CMD_ARGS").layer.source, "GUNICORN_CMD_ARGS");
});

for (const [flag, wants] of [
  ["--help", "wantsHelp"],
  ["-h", "wantsHelp"],
  ["--version", "wantsVersion"],
  ["-v", "wantsVersion"],
] as const) {
  test(`parseArguments() knows ${flag}, among others`, () => {
    assert.equal(parse(flag)[wants], true);
    assert.equal(parse("-w", "4", flag, "wsgi:app")[wants], true);
  });
}

test("parseArguments() takes every flag of every setting", () => {
  for (const { name, flags, metavar } of allSettings) {
    for (const flag of flags) {
      const value = metavar === null ? [] : ["value"];
      assert.ok(parse(flag, ...value).layer.values.has(name), flag);
    }
  }
});

const refused: readonly { readonly what: string; readonly argv: readonly string[]; readonly says: RegExp }[] =
  [
    { what: "an unknown long flag", argv: ["--wrokers", "4"], says: /--wrokers/ },
    { what: "an unknown short flag", argv: ["-Z"], says: /-Z/ },
    { what: "a flag without its value", argv: ["--workers"], says: /--workers/ },
    { what: "a switch with a value", argv: ["--preload=yes"], says: /--preload/ },
    { what: "a second application", argv: ["wsgi:app", "run:app"], says: /run:app|[Aa]rguments/ },
    { what: "a flag that Gunicorn does not shorten", argv: ["--no-preload"], says: /--no-preload/ },
  ];

for (const { what, argv, says } of refused) {
  test(`parseArguments() refuses ${what} in one sentence, and points to --help`, () => {
    assert.throws(() => parse(...argv), {
      code: "ERR_USAGE",
      message: says,
      hint: /--help/,
    });
    assert.throws(() => parse(...argv), { message: /^[A-Z][^\n]*[^.\n]$/ });
  });
}

const slips: readonly { readonly what: string; readonly argv: readonly string[]; readonly says: string }[] = [
  {
    what: "the name of a setting in the place of its flag",
    argv: ["--accesslog", "-", "wsgi:app"],
    says: "The flag of the setting accesslog is --access-logfile",
  },
  {
    what: "the same, with hyphens",
    argv: ["--preload-app"],
    says: "The flag of the setting preload_app is --preload",
  },
  {
    what: "a setting that has no flag",
    argv: ["--wsgi-app=wsgi:app"],
    says: "wsgi_app can be set in the configuration file alone",
  },
  {
    what: "a switch with a value",
    argv: ["--preload=yes", "wsgi:app"],
    says: "--preload is a switch, and takes no value",
  },
  {
    what: "a mistake behind a flag whose value may be left out",
    argv: ["--proxy-protocol=v2", "--preload=no"],
    says: "--preload is a switch, and takes no value",
  },
  {
    what: "a long flag with one hyphen",
    argv: ["-workers", "3", "wsgi:app"],
    says: "Did you mean --workers?",
  },
  {
    what: "a dash that a web page has made of two hyphens",
    argv: ["–workers", "3", "wsgi:app"],
    says: "–workers begins with a dash that is no hyphen. Write --workers",
  },
  {
    what: "a flag of uvicorn",
    argv: ["--port=8000", "main:app"],
    says: "The address is written in one: --bind HOST:PORT, such as --bind 0.0.0.0:8000",
  },
  {
    what: "a command before the application",
    argv: ["-w", "3", "run", "wsgi:app"],
    says: "There are no commands: write tunicorn wsgi:app",
  },
];

for (const { what, argv, says } of slips) {
  test(`parseArguments() guesses what was meant by ${what}`, () => {
    assert.throws(() => parse(...argv), { code: "ERR_USAGE", hint: `${says}\n  See tunicorn --help` });
  });
}

test("parseArguments() says it when a mistake stands in GUNICORN_CMD_ARGS", () => {
  assert.throws(() => parseArguments(["--wrokers"], "GUNICORN_CMD_ARGS"), {
    message: /--wrokers.*GUNICORN_CMD_ARGS/,
  });
});

test("helpText() begins with how to call it and an example", () => {
  const text = helpText();
  assert.match(text, /^Usage: tunicorn \[OPTIONS\] \[APPLICATION\]\n/);
  assert.match(text, /tunicorn wsgi:app/);
  assert.match(text, /GUNICORN_CMD_ARGS/);
});

test("helpText() has a group for each section with flags, in the order of the sections", () => {
  const headings = helpText()
    .split("\n")
    .filter((line) => /^[A-Z][A-Za-z ]+:$/.test(line))
    .map((line) => line.slice(0, -1));
  const withFlags = sections.filter((section) =>
    allSettings.some((record) => record.section === section && record.flags.length > 0),
  );
  assert.deepEqual(
    headings.filter((heading) => (sections as readonly string[]).includes(heading)),
    withFlags,
  );
});

test("helpText() shows each setting once, with its first flag and what it is", () => {
  const text = helpText();
  const joined = text.replace(/\n {10,}/g, " ");
  for (const { flags, doc } of allSettings) {
    const [first] = flags;
    if (first !== undefined) {
      const lines = text.split("\n").filter((line) => new RegExp(`^ +(-\\w, )?${first}( |$)`).test(line));
      assert.equal(lines.length, 1, first);
      assert.ok(joined.includes((doc.split("\n")[0] ?? "").replace(/\s+/g, " ")), first);
    }
  }
});

test("helpText() does not show the further names of a setting", () => {
  assert.ok(!helpText().includes("--log-file"));
});

test("helpText() shows defaults that say something", () => {
  const text = helpText().replace(/\n {10,}/g, " ");
  assert.match(text, /Number of worker processes\. \[1\]/);
  assert.match(text, /\[127\.0\.0\.1:8000\]/);
  assert.ok(!text.includes("[null]") && !text.includes("[false]") && !text.includes("[]"));
  assert.ok(!text.includes(`[${process.cwd()}]`));
});

test("helpText() fits into 100 columns", () => {
  assert.deepEqual(
    helpText()
      .split("\n")
      .filter((line) => line.length > 100),
    [],
  );
});
