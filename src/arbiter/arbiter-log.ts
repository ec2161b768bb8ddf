import type { Settings } from "../config/settings/all.ts";
import { ErrorLog } from "../log/error-log.ts";
import { LogRelay } from "../log/log-relay.ts";
import type { LogProcessUse } from "../log/log-settings.ts";
import { countRecord, openMetrics, type MetricsSender } from "../metrics/metrics-settings.ts";
import { makeMetricsSettings, planLogProcess } from "./log-settings.ts";

/** How often workers are counted. */
const COUNT_INTERVAL_MS = 1000;

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

  /** Takes over the settings of a generation. Throws ERR_LOG_FILE; the log of before stays then. */
  takeOver(settings: Settings, logProcess: LogProcessUse | null): void {
    const before = { relay: this.#relay, metrics: this.#metrics };
    const relay = logProcess === null ? null : new LogRelay(logProcess.socketPath);
    const metricsSettings = makeMetricsSettings(settings);
    const metrics = metricsSettings === null ? null : openMetrics(metricsSettings, relay);
    const takesErrors = logProcess?.takesErrors === true;
    this.configure(settings.errorlog, settings.loglevel, {
      isJson: settings.error_log_json,
      relay: takesErrors ? relay : null,
      // The log process counts what it is told.
      ...(metrics === null || takesErrors
        ? {}
        : { onRecord: (level) => countRecord(metrics.metrics, level) }),
    });
    this.#relay = relay;
    this.#metrics = metrics;
    this.#reportWorkers();
    void closeBoth(before);
  }

  override async close(): Promise<void> {
    if (this.#countTimer !== null) clearInterval(this.#countTimer);
    await super.close();
    await closeBoth({ relay: this.#relay, metrics: this.#metrics });
  }

  /** The gauge of workers is sent when their number has changed. */
  #reportWorkers(): void {
    if (this.#countTimer !== null) clearInterval(this.#countTimer);
    const sender = this.#metrics;
    if (sender === null) return;
    let told = -1;
    const report = (): void => {
      const count = this.#countWorkers();
      if (count !== told) sender.metrics.gauge("gunicorn.workers", count);
      told = count;
    };
    this.#countTimer = setInterval(report, COUNT_INTERVAL_MS).unref();
  }
}

async function closeBoth(pair: { readonly relay: LogRelay | null; readonly metrics: MetricsSender | null }) {
  await pair.metrics?.close();
  await pair.relay?.close();
}
