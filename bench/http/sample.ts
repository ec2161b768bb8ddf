/** What one server did in one round of one work. */
export interface Sample {
  readonly server: string;
  readonly work: string;
  readonly round: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** One keep-alive client, one request at a time. */
  readonly oneClientP50Ms: number;
  readonly cpuMicrosecondsPerRequest: number;
  readonly memoryMebibytes: number;
  readonly startMs: number;
  readonly otherShare: number;
  readonly stealShare: number;
  readonly errors: SampleErrors;
  /** How often it was measured again because others disturbed it. */
  readonly repeats: number;
}

/** Counted over warm-up, load and single client; anything but zero makes the figures doubtful. */
export interface SampleErrors {
  readonly wrongStatuses: number;
  readonly socketErrors: number;
  readonly missingLogLines: number;
  readonly leftoverProcesses: number;
}

export type Metric = {
  [Key in keyof Sample]: Sample[Key] extends number ? Key : never;
}[keyof Sample];

export interface Column {
  readonly metric: Metric;
  readonly title: string;
  readonly digits: number;
}

/** The columns of the tables, in order; of all but the first, less is better. */
export const COLUMNS: readonly Column[] = [
  { metric: "requestsPerSecond", title: "requests/s", digits: 0 },
  { metric: "p50Ms", title: "p50 ms", digits: 2 },
  { metric: "p99Ms", title: "p99 ms", digits: 2 },
  { metric: "oneClientP50Ms", title: "one client p50 ms", digits: 3 },
  { metric: "cpuMicrosecondsPerRequest", title: "CPU µs/request", digits: 0 },
  { metric: "memoryMebibytes", title: "memory MiB", digits: 1 },
  { metric: "startMs", title: "start ms", digits: 0 },
];

/** Above this share of the machine taken by others, a sample is called disturbed. */
export const DISTURBED_SHARE = 0.05;

export function disturbance(sample: Sample): number {
  return Math.max(sample.otherShare, sample.stealShare);
}

export function errorCount(sample: Sample): number {
  return Object.values(sample.errors).reduce((sum: number, count: number) => sum + count, 0);
}
