import type { AccessRecord } from "./access-format.ts";

/** Something that is told of every answered request. */
export interface AccessSink {
  /** It may ask records for response fields. */
  readonly needsResponseFields: boolean;
  write(record: AccessRecord): void;
  /** Files are opened anew, after they were moved away. */
  reopen(): void;
  /** Writes what is left, before the process ends or another one takes over. */
  close(): Promise<void>;
}

/** One sink for all; null when there is none, so that no record is made for nobody. */
export function joinSinks(sinks: readonly AccessSink[]): AccessSink | null {
  const [first = null] = sinks;
  if (sinks.length <= 1) return first;
  return {
    needsResponseFields: sinks.some((sink) => sink.needsResponseFields),
    write: (record) => {
      for (const sink of sinks) sink.write(record);
    },
    reopen: () => {
      for (const sink of sinks) sink.reopen();
    },
    close: async () => {
      await Promise.all(sinks.map((sink) => sink.close()));
    },
  };
}
