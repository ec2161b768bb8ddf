import type { LogRelay } from "../log/log-relay.ts";
import type { LogLevel } from "../log/log-level.ts";
import { Metrics } from "./metrics.ts";
import type { StatsdAddress } from "./statsd-address.ts";
import { StatsdSocket } from "./statsd-socket.ts";

/** What a process needs of the settings to send metrics. */
export interface MetricsSettings {
  readonly address: StatsdAddress;
  readonly prefix: string;
  readonly tags: string;
  /** Send how many clients wait (`enable_backlog_metric`). */
  readonly reportsBacklog: boolean;
}

/** Metrics, and the way that they go. */
export interface MetricsSender {
  readonly metrics: Metrics;
  /** Sends what was gathered. */
  close(): Promise<void>;
}

/**
 * `relay`: for a server on a unix socket, to which Node cannot send datagrams; the log process can. `onTrouble` gets a
 * line for the log about a server whose name is not known; one process of a server is enough to say it.
 */
export function openMetrics(
  settings: MetricsSettings,
  relay: LogRelay | null,
  onTrouble: (line: string) => void = () => undefined,
): MetricsSender {
  const { address, prefix, tags } = settings;
  if (address.type === "unix") {
    const metrics = new Metrics({ prefix, tags, send: (datagram) => relay?.sendMetrics(datagram) });
    return {
      metrics,
      close: () => {
        metrics.flush();
        return Promise.resolve();
      },
    };
  }
  const socket = new StatsdSocket(address.host, address.port, (reason) =>
    onTrouble(
      `Metrics are lost until the statsd server ${address.host} is found: ${reason}. Correct statsd_host, or give ` +
        "the name an address: it is looked up again every half minute",
    ),
  );
  const metrics = new Metrics({ prefix, tags, send: (datagram) => socket.send(datagram) });
  return {
    metrics,
    close: () => {
      metrics.flush();
      return socket.close();
    },
  };
}

/** Counts what Gunicorn counts of the error log. */
export function countRecord(metrics: Metrics, level: LogLevel): void {
  if (level === "critical" || level === "error" || level === "warning") {
    metrics.increment(`gunicorn.log.${level}`);
  }
}
