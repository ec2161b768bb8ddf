import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeBudget } from "../../bench/http/budget.ts";
import { parseOptions } from "../../bench/http/options.ts";
import { planEntries, serverOf } from "../../bench/http/plan.ts";
import { SERVERS } from "../../bench/http/servers/all.ts";
import { appFor, WORKS } from "../../bench/http/works/all.ts";

const LONGEST_DESCRIPTION = 62;

function plan(...args: readonly string[]): readonly string[] {
  const options = parseOptions(args) ?? assert.fail("only the usage was asked for");
  return planEntries(options).map(({ work, label }) => `${work.name} ${label}`);
}

test("Every work names servers that exist and speak an interface of its applications", () => {
  for (const work of WORKS) {
    for (const name of work.lineUp) {
      const server = serverOf(name);
      assert.ok(server !== undefined && appFor(work, server) !== undefined, `${work.name}: ${name}`);
    }
    assert.ok(
      work.title.length <= LONGEST_DESCRIPTION + work.name.length,
      `${work.title} is too long for the chart`,
    );
  }
});

test("No two servers have the same name", () => {
  const names = SERVERS.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
});

test("planEntries() takes each work's own servers, and with a base each tunicorn's base after it", () => {
  assert.deepEqual(
    plan("--work", "upload"),
    ["tunicorn", "gunicorn", "granian", "uwsgi"].map((name) => `upload ${name}`),
  );
  const options = parseOptions(["--work", "mixed"]) ?? assert.fail();
  const labels = planEntries({ ...options, base: "/elsewhere" }).map(({ label }) => label);
  assert.deepEqual(labels.slice(0, 4), ["tunicorn", "base", "tunicorn-gthread", "base-gthread"]);
});

test("planEntries() takes the servers that were asked for to every work that they can do", () => {
  assert.deepEqual(plan("--work", "hello,fastapi,sleep", "--servers", "uvicorn,waitress,waitress"), [
    "hello waitress",
    "hello waitress#2",
    "fastapi uvicorn",
    "sleep uvicorn",
    "sleep waitress",
    "sleep waitress#2",
  ]);
});

test("A short run has every work, and of the peers only Gunicorn", () => {
  const entries = planEntries(parseOptions(["--short"]) ?? assert.fail());
  assert.deepEqual([...new Set(entries.map(({ work }) => work))], WORKS);
  const peers = entries.filter(({ server }) => server.type === "peer").map(({ label }) => label);
  assert.ok(peers.every((label) => label.startsWith("gunicorn")));
});

test("parseOptions() refuses names it does not know and a base without a folder", () => {
  assert.throws(() => parseOptions(["--work", "hallo"]), /Unknown name "hallo" in --work: must be of hello/);
  assert.throws(() => parseOptions(["--servers", "base"]), /needs --base DIR/);
  assert.throws(() => parseOptions(["--rounds", "0"]), /must be a whole number above 0/);
  assert.equal(parseOptions(["--help"]), undefined);
});

test("TimeBudget lets begin what took less before than is left now", () => {
  const [entry] = planEntries(parseOptions(["--work", "hello"]) ?? assert.fail());
  assert.ok(entry !== undefined);
  const budget = new TimeBudget(600_000, () => 1000);
  assert.ok(budget.estimateMs([entry]) > 1000);
  budget.note(entry, 200_000);
  assert.equal(budget.estimateMs([entry, entry]), 400_000);
  assert.equal(budget.hasTimeFor([entry, entry]), true);
  assert.equal(budget.hasTimeFor([entry, entry, entry]), false);
});
