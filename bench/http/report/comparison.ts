import { serverOf } from "../plan.ts";
import type { WorkerClass } from "../servers/server.ts";
import { isMoreBetter, type Metric, type Sample } from "./sample.ts";
import { spreadOf, type Spread } from "./statistics.ts";

export interface Pair {
  readonly subject: string;
  readonly other: string;
}

/** Round by round, so that what slows down the whole machine for a while falls on both. */
export function ratioOf(samples: readonly Sample[], metric: Metric, pair: Pair): Spread {
  const others = samplesOf(samples, pair.other);
  const ratios = samplesOf(samples, pair.subject).map((sample) => {
    const opposite = others.find((other) => other.round === sample.round);
    return sample[metric] / (opposite?.[metric] ?? NaN);
  });
  return spreadOf(ratios.filter((ratio) => !Number.isNaN(ratio)));
}

export function samplesOf(samples: readonly Sample[], label: string): readonly Sample[] {
  return samples.filter((sample) => sample.server === label);
}

/** The rows of ratios: tunicorn of the same class to each other server; without tunicorn, the first to each other. */
export function pairsOf(labels: readonly string[]): readonly Pair[] {
  const subjects = labels.filter((label) => serverOf(label)?.type === "subject");
  const first = subjects[0] ?? labels[0];
  return labels.flatMap((other) => {
    const sameClass = subjects.find((label) => classOf(label) === classOf(other));
    const subject = sameClass ?? (subjects.includes(other) ? undefined : first);
    return subject === undefined || subject === other ? [] : [{ subject, other }];
  });
}

/** Of these servers, the one with the best median; undefined where none has been measured. */
export function bestOf(
  samples: readonly Sample[],
  metric: Metric,
  labels: readonly string[],
): string | undefined {
  const sign = isMoreBetter(metric) ? -1 : 1;
  const medians = labels
    .map((label) => ({
      label,
      median: spreadOf(samplesOf(samples, label).map((sample) => sample[metric])).median,
    }))
    .filter(({ median }) => !Number.isNaN(median));
  return medians.toSorted((left, right) => sign * (left.median - right.median))[0]?.label;
}

function classOf(label: string): WorkerClass | undefined {
  const server = serverOf(label);
  return server === undefined || server.type === "limit" ? undefined : server.workerClass;
}
