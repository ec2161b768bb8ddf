/** `1 worker`, `2 workers`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** How a process has ended, behind a verb: `with status 1`, `by SIGKILL`. */
export function howEnded(status: number | null, signal: string | null): string {
  return signal === null ? `with status ${status}` : `by ${signal}`;
}

/** The class that is used: several threads make gthread of sync. */
export function describeWorkerClass(settings: {
  readonly worker_class: string;
  readonly threads: number;
}): string {
  return settings.worker_class === "sync" && settings.threads > 1 ? "gthread" : settings.worker_class;
}

/** A size as people read it. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
