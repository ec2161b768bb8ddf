import { measure, type MeasureOptions } from "./measure.ts";
import { disturbance, DISTURBED_SHARE, errorCount, type Sample } from "../report/sample.ts";

const MAX_REPEATS = 2;

/**
 * Measures again, a few times at most and while there is time, when others took part of the machine, and keeps the
 * least disturbed sample. What decides is what others did, never how the server did; a sample with errors is always kept.
 */
export async function measureUndisturbed(
  options: MeasureOptions,
  hasTime: () => boolean = () => true,
): Promise<Sample> {
  let best = await measure(options);
  for (let repeats = 1; repeats <= MAX_REPEATS; repeats += 1) {
    if (disturbance(best) <= DISTURBED_SHARE || errorCount(best) > 0 || !hasTime()) break;
    const again = await measure(options);
    const isKept = errorCount(again) > 0 || disturbance(again) < disturbance(best);
    best = { ...(isKept ? again : best), repeats };
  }
  return best;
}
