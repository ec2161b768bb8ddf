import type { CpuProfile } from "../measure/cpu-profile.ts";

/** What one server did in one round of one work. NaN: not measured for this work or server. */
export interface Sample {
  readonly server: string;
  readonly work: string;
  readonly round: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Where some requests are slow by themselves, of the others alone. */
  readonly fastP99Ms: number;
  /** One keep-alive client, one request at a time. */
  readonly oneClientP50Ms: number;
  readonly cpuMicrosecondsPerRequest: number;
  readonly memoryMebibytes: number;
  readonly startMs: number;
  readonly otherShare: number;
  readonly stealShare: number;
  /** Not of the limits that are no servers, where nothing was answered, and in results of earlier versions. */
  readonly cpuProfile?: CpuProfile;
  readonly errors: SampleErrors;
  /** How often it was measured again because others disturbed it. */
  readonly repeats: number;
}

/** Counted over warm-up, load and single client; anything but zero makes the figures doubtful. */
export interface SampleErrors {
  readonly wrongAnswers: number;
  readonly socketErrors: number;
  /** 1 when the bytes of all answers together are not what that many right answers have. */
  readonly wrongTotals: number;
  readonly missingLogLines: number;
  readonly leftoverProcesses: number;
}

export type Metric = {
  [Key in keyof Sample]-?: Sample[Key] extends number ? Key : never;
}[keyof Sample];

export interface Column {
  readonly metric: Metric;
  readonly title: string;
  readonly digits: number;
}

/** The columns of the tables, in order; one that no sample of a work has is left out there. */
export const COLUMNS: readonly Column[] = [
  { metric: "requestsPerSecond", title: "requests/s", digits: 0 },
  { metric: "p50Ms", title: "p50 ms", digits: 2 },
  { metric: "p99Ms", title: "p99 ms", digits: 2 },
  { metric: "fastP99Ms", title: "fast p99 ms", digits: 2 },
  { metric: "oneClientP50Ms", title: "one client p50 ms", digits: 3 },
  { metric: "cpuMicrosecondsPerRequest", title: "CPU µs/request", digits: 0 },
  { metric: "memoryMebibytes", title: "PSS MiB", digits: 1 },
  { metric: "startMs", title: "start ms", digits: 0 },
];

/** Of all others less is better. */
export function isMoreBetter(metric: Metric): boolean {
  return metric === "requestsPerSecond";
}

export function titleOf(metric: Metric): string {
  return COLUMNS.find((column) => column.metric === metric)?.title ?? metric;
}

/** Above this share of the machine taken by others, a sample is called disturbed. */
export const DISTURBED_SHARE = 0.05;

export function disturbance(sample: Sample): number {
  return Math.max(sample.otherShare, sample.stealShare);
}

export function errorCount(sample: Sample): number {
  return Object.values(sample.errors).reduce((sum: number, count: number) => sum + count, 0);
}
