import type { Settings } from "../config/settings/all.ts";
import { ErrorLog } from "../log/error-log.ts";
import { LogRelay } from "../log/log-relay.ts";
import type { LogProcessUse } from "../log/log-settings.ts";
import { countRecord, openMetrics, type MetricsSender } from "../metrics/metrics-settings.ts";
import { hasUsersLoggerClass, makeMetricsSettings, planLogProcess } from "./log-settings.ts";
import { plural } from "./wording.ts";

/** How often workers are counted. */
const COUNT_INTERVAL_MS = 1000;

const WORKERS_METRIC = "gunicorn.workers";

/** The arbiter's error log, and the metrics that the arbiter sends. */
export class ArbiterLog extends ErrorLog {
  #relay: LogRelay | null = null;
  #metrics: MetricsSender | null = null;
  #countTimer: NodeJS.Timeout | null = null;
  readonly #countWorkers: () => number;

  /** Records for a log process are kept until there is one. Throws ERR_LOG_FILE. */
  constructor(settings: Settings, countWorkers: () => number) {
    const isHeld = planLogProcess(settings, "")?.takesErrors === true;
    super(settings.errorlog, settings.loglevel, { isJson: settings.error_log_json, isHeld });
    this.#countWorkers = countWorkers;
  }

  /** Takes over the settings of a generation. Throws ERR_LOG_FILE; the old log stays then. */
  takeOver(settings: Settings, logProcess: LogProcessUse | null): void {
    const before = { relay: this.#relay, metrics: this.#metrics };
    // On a relay that is closed they would be lost.
    before.metrics?.metrics.flush();
    const relay = logProcess === null ? null : new LogRelay(logProcess.socketPath);
    const metricsSettings = makeMetricsSettings(settings);
    const metrics =
      metricsSettings === null ? null : openMetrics(metricsSettings, relay, (line) => this.warning(line));
    const takesErrors = logProcess?.takesErrors === true;
    // The log process counts what it is told.
    const isCounted = metrics !== null && !takesErrors;
    try {
      this.configure(settings.errorlog, settings.loglevel, {
        isJson: settings.error_log_json,
        relay: takesErrors ? relay : null,
        ...(isCounted ? { onRecord: (level) => countRecord(metrics.metrics, level) } : {}),
      });
    } catch (error) {
      void closeBoth({ relay, metrics });
      throw error;
    }
    this.#relay = relay;
    this.#metrics = metrics;
    this.#reportWorkers(hasUsersLoggerClass(settings) ? relay : null);
    void closeBoth(before);
  }

  override async close(): Promise<void> {
    if (this.#countTimer !== null) clearInterval(this.#countTimer);
    await this.#metrics?.close();
    await super.close();
    await this.#relay?.close();
  }

  /** The gauge of workers is sent when their number has changed. A logger class of the user's own may send it. */
  #reportWorkers(relay: LogRelay | null): void {
    if (this.#countTimer !== null) clearInterval(this.#countTimer);
    const metrics = this.#metrics?.metrics ?? null;
    if (metrics === null && relay === null) return;
    let told = -1;
    const report = (): void => {
      const value = this.#countWorkers();
      if (value === told) return;
      told = value;
      metrics?.gauge(WORKERS_METRIC, value);
      relay?.sendError(
        { time: Date.now(), pid: process.pid, level: "debug", message: plural(value, "worker") },
        { metric: WORKERS_METRIC, value, mtype: "gauge" },
      );
    };
    this.#countTimer = setInterval(report, COUNT_INTERVAL_MS).unref();
  }
}

async function closeBoth(pair: { readonly relay: LogRelay | null; readonly metrics: MetricsSender | null }) {
  await pair.metrics?.close();
  await pair.relay?.close();
}
