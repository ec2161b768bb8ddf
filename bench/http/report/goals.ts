import { serverOf } from "../plan.ts";
import { WORKS } from "../works/all.ts";
import { bestOf, ratioOf } from "./comparison.ts";
import { isMoreBetter, titleOf, type Metric, type Sample } from "./sample.ts";
import type { Spread } from "./statistics.ts";
import { renderSpread, renderTable } from "./text-table.ts";
import { labelsOf } from "./work-table.ts";

/** A ratio that tunicorn is to reach. */
export interface Goal {
  readonly work: string;
  readonly metric: Metric;
  /** A server, or the best tunicorn class of the work. */
  readonly subject: string;
  /** A server, or the best peer of the work, whatever its class. */
  readonly against: string;
  /** The least ratio where more is better, the most where less is. */
  readonly ratio: number;
}

export type Verdict = "met" | "missed" | "not measured";

const BEST = "the best";

export const GOALS: readonly Goal[] = [
  goal("hello", "requestsPerSecond", "tunicorn", { gunicorn: 4.5, [BEST]: 1.1 }),
  goal("hello", "requestsPerSecond", "tunicorn-gthread", { "gunicorn-gthread": 4.5 }),
  goal("hello", "oneClientP50Ms", "tunicorn", { gunicorn: 1 }),
  goal("flask", "requestsPerSecond", "tunicorn", { gunicorn: 3, [BEST]: 1.3 }),
  goal("flask", "cpuMicrosecondsPerRequest", "tunicorn", { gunicorn: 0.6, [BEST]: 0.9 }),
  goal("django", "requestsPerSecond", "tunicorn", { gunicorn: 1.5, [BEST]: 1.1 }),
  goal("fastapi", "requestsPerSecond", "tunicorn-asgi", { "gunicorn-uvicorn": 1.1, [BEST]: 1 }),
  goal("response", "requestsPerSecond", "tunicorn", { gunicorn: 1.5, [BEST]: 1 }),
  goal("upload", "requestsPerSecond", "tunicorn", { gunicorn: 1.5, [BEST]: 1 }),
  goal("mixed", "p99Ms", "tunicorn", { gunicorn: 0.5 }),
  goal("mixed", "p99Ms", "tunicorn-gthread", { "gunicorn-gthread": 0.5 }),
  goal("mixed", "p99Ms", BEST, { [BEST]: 0.8 }),
].flat();

export interface Judgement {
  readonly goal: Goal;
  readonly subject: string;
  readonly against: string;
  readonly ratio: Spread;
  readonly verdict: Verdict;
}

/** The ratio that the samples give for a goal, and whether its median is good enough. */
export function judge(goalToJudge: Goal, allSamples: readonly Sample[]): Judgement {
  const { work, metric, ratio: wanted } = goalToJudge;
  const samples = allSamples.filter((sample) => sample.work === work);
  const labels = labelsOf(samples);
  const pick = (name: string, type: "subject" | "peer"): string | undefined =>
    name === BEST
      ? bestOf(
          samples,
          metric,
          labels.filter((label) => serverOf(label)?.type === type),
        )
      : labels.find((label) => label === name);
  const subject = pick(goalToJudge.subject, "subject");
  const against = pick(goalToJudge.against, "peer");
  const ratio = ratioOf(samples, metric, { subject: subject ?? "", other: against ?? "" });
  const isGood = isMoreBetter(metric) ? ratio.median >= wanted : ratio.median <= wanted;
  const verdict = Number.isNaN(ratio.median) ? "not measured" : isGood ? "met" : "missed";
  return {
    goal: goalToJudge,
    subject: subject ?? goalToJudge.subject,
    against: nameOf(goalToJudge.against, against),
    ratio,
    verdict,
  };
}

/** The goals of the works that were measured; empty where there are none. */
export function renderGoals(samples: readonly Sample[]): string {
  const measured = new Set(samples.map((sample) => sample.work));
  const rows = GOALS.filter(({ work }) => measured.has(work)).map((one) => {
    const { subject, against, ratio, verdict } = judge(one, samples);
    const sign = isMoreBetter(one.metric) ? "≥" : "≤";
    return [
      `${one.work}, ${titleOf(one.metric)}: ${subject} : ${against}`,
      `${sign} ${one.ratio.toFixed(1)}`,
      renderSpread(ratio, 2),
      verdict,
    ];
  });
  return rows.length === 0 ? "" : `${renderTable([["goal", "wanted", "measured", "verdict"], ...rows])}\n`;
}

function nameOf(wanted: string, found: string | undefined): string {
  if (wanted !== BEST) return wanted;
  return found === undefined ? "the best peer" : `the best peer, ${found}`;
}

function goal(
  work: string,
  metric: Metric,
  subject: string,
  ratios: Readonly<Record<string, number>>,
): readonly Goal[] {
  if (!WORKS.some(({ name }) => name === work)) throw new Error(`No work has the name "${work}"`);
  return Object.entries(ratios).map(([against, ratio]) => ({ work, metric, subject, against, ratio }));
}
