import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { splitShellWords } from "../../src/cli/shell-words.ts";
import { python } from "../helpers/server.ts";

interface Split {
  readonly what: string;
  readonly text: string;
  readonly words: readonly string[];
}

const splits: readonly Split[] = [
  { what: "nothing", text: "", words: [] },
  { what: "white space alone", text: " \t\n ", words: [] },
  {
    what: "words between white space",
    text: "  -w 4\t--bind\n127.0.0.1:0 ",
    words: ["-w", "4", "--bind", "127.0.0.1:0"],
  },
  { what: "single quotes", text: "--name 'my app'", words: ["--name", "my app"] },
  { what: "double quotes", text: '--name "my app"', words: ["--name", "my app"] },
  { what: "quotes within a word", text: "--name=my' 'app", words: ["--name=my app"] },
  { what: "quotes side by side", text: `a'b'"c"d`, words: ["abcd"] },
  { what: "the other quote within quotes", text: `'a"b' "c'd"`, words: ['a"b', "c'd"] },
  { what: "an empty word", text: `a '' "" b`, words: ["a", "", "", "b"] },
  { what: "a backslash before white space", text: String.raw`my\ app`, words: ["my app"] },
  { what: "a backslash before a quote", text: String.raw`it\'s \"it\"`, words: ["it's", '"it"'] },
  { what: "a backslash before any other character", text: String.raw`a\b\\c`, words: [String.raw`ab\c`] },
  {
    what: "backslashes within double quotes",
    text: String.raw`"a\"b\\c\d\$"`,
    words: [String.raw`a"b\c\d\$`],
  },
  {
    what: "backslashes within single quotes, as they are",
    text: String.raw`'a\b\'`,
    words: [String.raw`a\b` + "\\"],
  },
  {
    what: "what a shell would expand, as it is",
    text: "$HOME *.py ~ a;b|c>d #e",
    words: ["$HOME", "*.py", "~", "a;b|c>d", "#e"],
  },
  { what: "other Unicode, as it is", text: "--name café", words: ["--name", "café"] },
  { what: "a no-break space, which is no separator", text: "a\u00a0b", words: ["a\u00a0b"] },
];

for (const { what, text, words } of splits) {
  test(`splitShellWords() reads ${what}`, () => {
    assert.deepEqual(splitShellWords(text), words);
  });
}

for (const { what, text } of [
  { what: "a single quote", text: "--name 'my app" },
  { what: "a double quote", text: '--name "my app' },
  { what: "a double quote whose end is escaped", text: String.raw`"a\"` },
  { what: "a last backslash without anything behind it", text: String.raw`--name a` + "\\" },
]) {
  test(`splitShellWords() refuses ${what} that is not closed, and shows the text`, () => {
    assert.throws(() => splitShellWords(text), {
      code: "ERR_USAGE",
      message: /GUNICORN_CMD_ARGS/,
    });
  });
}

/** What Python's shlex makes of each text: a list of words, or null where it refuses. */
const SHLEX_PROGRAM = `
import json, shlex, sys
def split(text):
    try:
        return shlex.split(text)
    except ValueError:
        return None
print(json.dumps([split(text) for text in json.load(sys.stdin)]))
`;

test("splitShellWords() agrees with Python's shlex, with which Gunicorn reads the variable", () => {
  const texts = [...splits.map(({ text }) => text), ...randomTexts(2000)];
  const input = JSON.stringify(texts);
  const { stdout, stderr } = spawnSync(python, ["-c", SHLEX_PROGRAM], { input, encoding: "utf8" });
  assert.equal(stderr, "");
  const expected = JSON.parse(stdout) as readonly (readonly string[] | null)[];
  for (const [index, text] of texts.entries()) {
    assert.deepEqual(wordsOrNull(text), expected[index], JSON.stringify(text));
  }
});

function wordsOrNull(text: string): string[] | null {
  try {
    return splitShellWords(text);
  } catch {
    return null;
  }
}

/** Texts of the characters that matter, the same in every run. */
function randomTexts(count: number): string[] {
  const characters = ["a", "b", " ", "\t", "\n", "'", '"', "\\", "=", "$"];
  let state = 20_261_121;
  const next = (limit: number): number => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: next(13) }, () => characters[next(characters.length)]).join(""),
  );
}
