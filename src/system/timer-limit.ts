/** What a timer of Node can hold, 24.8 days: a longer one fires at once. */
export const TIMER_LIMIT_MS = 2 ** 31 - 1;

const LONGEST_SECONDS = 24 * 24 * 3600;

/** The milliseconds for a timer: at most 24 days, which leaves room for what is added to them. */
export function timerMs(seconds: number): number {
  return Math.min(seconds, LONGEST_SECONDS) * 1000;
}
