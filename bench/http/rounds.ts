import type { TimeBudget } from "./budget.ts";
import type { MeasureOptions } from "./measure/measure.ts";
import { measureUndisturbed } from "./measure/repeat.ts";
import type { Entry } from "./plan.ts";
import { errorCount, type Sample } from "./report/sample.ts";

export interface RoundsOptions extends Omit<MeasureOptions, keyof Entry | "round" | "measuresOneClient"> {
  readonly entries: readonly Entry[];
  readonly rounds: number;
  readonly isShort: boolean;
  readonly budget: TimeBudget;
}

export interface RoundsResult {
  readonly samples: readonly Sample[];
  readonly failures: readonly string[];
  /** What was not measured for want of time. */
  readonly cuts: readonly string[];
}

/** Round by round, and in a round work by work: what is compared is measured within a minute or so. */
export async function runRounds(options: RoundsOptions): Promise<RoundsResult> {
  const { rounds, budget } = options;
  const works = [...new Set(options.entries.map((entry) => entry.work))];
  const broken = new Set<Entry>();
  const samples: Sample[] = [];
  const failures: string[] = [];

  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, work] of works.entries()) {
      const sound = options.entries.filter((entry) => entry.work === work && !broken.has(entry));
      // Back and forth, so that none is always the one after another.
      const ordered = round % 2 === 1 ? sound : sound.toReversed();
      if (!budget.hasTimeFor(ordered)) {
        const missing = works.slice(index).map(({ name }) => name);
        return { samples, failures, cuts: [cutLine(missing, round, rounds)] };
      }
      for (const [place, entry] of ordered.entries()) {
        const later = new Set(works.slice(index + 1));
        const still = [
          ...ordered.slice(place),
          ...options.entries.filter((other) => later.has(other.work)),
          ...Array.from({ length: rounds - round }, () => options.entries).flat(),
        ];
        const startMs = performance.now();
        try {
          const sample = await measureUndisturbed(
            { ...options, ...entry, round, measuresOneClient: work.measuresOneClient && !options.isShort },
            // Repeating one must cost no other its turn.
            () => budget.hasTimeFor([entry, ...still]),
          );
          samples.push(sample);
          console.error(progressLine(sample, rounds));
          budget.note(entry, (performance.now() - startMs) / (1 + sample.repeats));
        } catch (error) {
          broken.add(entry);
          failures.push(`${work.name}, round ${round}, ${entry.label}: ${messageOf(error)}`);
          console.error(`ERROR: ${failures.at(-1)}`);
        }
      }
    }
  }
  return { samples, failures, cuts: [] };
}

function cutLine(works: readonly string[], round: number, rounds: number): string {
  return (
    `CUT: no time was left in round ${round} of ${rounds} for ${works.join(", ")}` +
    `${round < rounds ? ", nor for later rounds" : ""}. Give more --minutes, or ask for less.`
  );
}

function progressLine(sample: Sample, rounds: number): string {
  const figures = `${sample.requestsPerSecond.toFixed(0)} requests/s, ${errorCount(sample)} errors`;
  const again = sample.repeats === 0 ? "" : `, disturbed and repeated ${sample.repeats} times`;
  return `round ${sample.round}/${rounds} ${sample.work} ${sample.server}: ${figures}${again}`;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\n${error.cause.message}` : "";
  return `${error.message}${cause}`;
}
