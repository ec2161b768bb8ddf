import assert from "node:assert/strict";
import { test } from "node:test";
import { renderChart } from "../../bench/http/report/chart.ts";
import { bestOf, pairsOf, ratioOf } from "../../bench/http/report/comparison.ts";
import { GOALS, judge, renderGoals, type Goal } from "../../bench/http/report/goals.ts";
import type { Sample } from "../../bench/http/report/sample.ts";
import { renderWork } from "../../bench/http/report/work-table.ts";
import { WORKS } from "../../bench/http/works/all.ts";

const NO_ERRORS = {
  wrongAnswers: 0,
  socketErrors: 0,
  wrongTotals: 0,
  missingLogLines: 0,
  leftoverProcesses: 0,
};

function sample(
  server: string,
  round: number,
  requestsPerSecond: number,
  more: Partial<Sample> = {},
): Sample {
  return {
    server,
    work: "hello",
    round,
    requestsPerSecond,
    p50Ms: 1,
    p99Ms: 2,
    fastP99Ms: NaN,
    oneClientP50Ms: NaN,
    cpuMicrosecondsPerRequest: 50,
    memoryMebibytes: 30,
    startMs: 100,
    otherShare: 0,
    stealShare: 0,
    errors: NO_ERRORS,
    repeats: 0,
    ...more,
  };
}

const SAMPLES: readonly Sample[] = [
  sample("tunicorn", 1, 300),
  sample("gunicorn", 1, 100),
  sample("granian", 1, 200),
  sample("node-http", 1, 1000),
  sample("gunicorn", 2, 50),
  sample("tunicorn", 2, 250),
  sample("granian", 2, 200),
  sample("tunicorn", 3, 400),
  sample("gunicorn", 3, 100),
];

const work = (name: string) => WORKS.find((one) => one.name === name) ?? assert.fail(name);
const helloGoal = (against: string, ratio: number): Goal => ({
  work: "hello",
  metric: "requestsPerSecond",
  subject: "tunicorn",
  against,
  ratio,
});

test("ratioOf() compares within each round, and leaves out rounds that one of the two does not have", () => {
  const ratio = ratioOf(SAMPLES, "requestsPerSecond", { subject: "tunicorn", other: "gunicorn" });
  assert.deepEqual(ratio, { median: 4, min: 3, max: 5 });
  const short = ratioOf(SAMPLES, "requestsPerSecond", { subject: "tunicorn", other: "granian" });
  assert.deepEqual(short, { median: 1.375, min: 1.25, max: 1.5 });
});

test("pairsOf() compares each server with the tunicorn of its class, or with the first", () => {
  const labels = [
    "tunicorn",
    "base",
    "tunicorn-gthread",
    "gunicorn",
    "gunicorn-gthread",
    "uvicorn",
    "node-http",
  ];
  const pairs = pairsOf(labels).map(({ subject, other }) => `${subject} : ${other}`);
  assert.deepEqual(pairs, [
    "tunicorn : base",
    "tunicorn : gunicorn",
    "tunicorn-gthread : gunicorn-gthread",
    "tunicorn : uvicorn",
    "tunicorn : node-http",
  ]);
  assert.deepEqual(pairsOf(["gunicorn", "gunicorn#2"]), [{ subject: "gunicorn", other: "gunicorn#2" }]);
  assert.deepEqual(pairsOf(["tunicorn", "tunicorn#2"]), [{ subject: "tunicorn", other: "tunicorn#2" }]);
});

test("bestOf() takes the most requests and the least of everything else", () => {
  assert.equal(bestOf(SAMPLES, "requestsPerSecond", ["gunicorn", "granian"]), "granian");
  const latencies = [sample("gunicorn", 1, 1, { p99Ms: 5 }), sample("granian", 1, 1, { p99Ms: 9 })];
  assert.equal(bestOf(latencies, "p99Ms", ["gunicorn", "granian", "uwsgi"]), "gunicorn");
  assert.equal(bestOf(SAMPLES, "oneClientP50Ms", ["gunicorn"]), undefined);
});

test("judge() says whether the median reaches the goal, or that there is nothing to judge", () => {
  assert.equal(judge(helloGoal("gunicorn", 4), SAMPLES).verdict, "met");
  assert.equal(judge(helloGoal("gunicorn", 4.1), SAMPLES).verdict, "missed");
  assert.equal(judge(helloGoal("uwsgi", 1), SAMPLES).verdict, "not measured");
  const best = judge(helloGoal("the best", 1.1), SAMPLES);
  assert.deepEqual([best.against, best.verdict], ["the best peer, granian", "met"]);
  const lessIsBetter: Goal = { ...helloGoal("gunicorn", 0.5), metric: "p99Ms" };
  assert.equal(judge(lessIsBetter, SAMPLES).verdict, "missed");
});

test("Every goal is between servers that its work measures by default", () => {
  for (const goal of GOALS) {
    const { lineUp } = work(goal.work);
    for (const name of [goal.subject, goal.against]) {
      assert.ok(name === "the best" || lineUp.includes(name), `${goal.work}: ${name}`);
    }
  }
  assert.match(renderGoals(SAMPLES), /hello, requests\/s: tunicorn : gunicorn +\| +≥ 4\.5 \| .*missed/);
  assert.equal(renderGoals([]), "");
});

test("renderWork() leaves out columns that nobody has, and names errors and disturbances", () => {
  const errors = { ...NO_ERRORS, socketErrors: 7 };
  const doubtful = [...SAMPLES, sample("uwsgi", 1, 10, { errors, otherShare: 0.2 })];
  const text = renderWork({ work: work("hello"), samples: doubtful });
  assert.doesNotMatch(text, /fast p99|one client/);
  assert.match(text, /\| tunicorn : gunicorn +\| +4\.00 \(3\.00–5\.00\)/);
  assert.match(text, /^ERROR: hello, round 1, uwsgi: socketErrors 7$/m);
  assert.match(text, /^DISTURBED: hello, round 1, uwsgi: other processes took 20 % of the CPU$/m);
});

test("renderWork() shows where the time of each server goes, and leaves out those of which nobody knows it", () => {
  const none = { user: 0, system: 0 };
  const cpuProfile = {
    client: { user: 1, system: 6 },
    router: none,
    workers: { user: 12, system: 9 },
    idle: 1,
  };
  const router = { user: 17, system: 11 };
  const samples = [
    ...SAMPLES,
    sample("tunicorn", 4, 100, { cpuProfile: { ...cpuProfile, router, idle: 4.25 } }),
    sample("bjoern", 4, 200, { cpuProfile }),
    sample("bjoern", 5, 200, { cpuProfile: { ...cpuProfile, idle: 2 } }),
  ];
  const text = renderWork({ work: work("hello"), samples });
  assert.match(text, /\| tunicorn +\| +1\.0 \+ 6\.0 \| 17\.0 \+ 11\.0 \| 12\.0 \+ 9\.0 \| +4\.3 \|/);
  assert.match(text, /\| bjoern +\| +1\.0 \+ 6\.0 \| +\| 12\.0 \+ 9\.0 \| +1\.5 \|/);
  assert.doesNotMatch(renderWork({ work: work("hello"), samples: SAMPLES }), /left idle/);
});

test("renderChart() draws a bar for each server that is no limit, the best first, and escapes what it writes", () => {
  const svg = renderChart({ works: WORKS, samples: SAMPLES, footer: ["<2 cores & more>"] });
  const labels = [...svg.matchAll(/text-anchor="end">([a-z-]+)</g)].map((match) => match[1]);
  assert.deepEqual(labels, ["tunicorn", "granian", "gunicorn"]);
  assert.equal(svg.match(/<rect class="bar /g)?.length, 3);
  assert.match(svg, /&lt;2 cores &amp; more&gt;/);
  assert.match(svg, /prefers-color-scheme: dark/);
});
