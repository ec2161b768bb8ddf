import type { AccessSink } from "../log/access-sink.ts";
import type { Metrics } from "./metrics.ts";

/** Gunicorn's metrics of requests: duration, number, and number by status. */
export function makeRequestMetrics(metrics: Metrics): AccessSink {
  return {
    needsResponseFields: false,
    write: ({ durationMs, status }) => {
      metrics.timer("gunicorn.request.duration", durationMs);
      metrics.increment("gunicorn.requests");
      metrics.increment(`gunicorn.request.status.${status}`);
    },
    reopen: () => undefined,
    close: () => Promise.resolve(),
  };
}
