/** The router process. The arbiter spawns this file; it speaks with it over the IPC channel. */
import { removeLeftovers } from "./leftovers.ts";
import type { ArbiterToRouter, RouterStart, RouterToArbiter } from "./messages.ts";
import { Router } from "./router.ts";

/** The arbiter decides when a router ends; a signal to the whole process group is meant for the arbiter. */
for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
  process.on(signal, () => undefined);
}

let router: Router | null = null;
let started: RouterStart | null = null;

process.on("message", (message: ArbiterToRouter) => {
  void handle(message);
});
process.on("disconnect", () => {
  void leaveAlone();
});

function tell(message: RouterToArbiter): void {
  // An arbiter that has just died is told by "disconnect", not by a failure to send.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function handle(message: ArbiterToRouter): Promise<void> {
  switch (message.type) {
    case "start":
      await start(message);
      break;
    case "configure":
      process.title = message.settings.processTitle;
      router?.configure(message.settings);
      break;
    case "activate":
      router?.activate(message.generation, message.tokensPath);
      break;
    case "retire-worker":
      router?.retireWorker(message.worker);
      break;
    case "retire-workers":
      router?.retireWorkers();
      break;
    case "drain":
      await router?.drain();
      tell({ type: "drained" });
      break;
    case "stop":
      await leave();
      break;
    case "reopen-logs":
      router?.reopenLogs();
      break;
    default:
      message satisfies never;
  }
}

async function start(message: RouterStart): Promise<void> {
  started = message;
  process.title = message.settings.processTitle;
  try {
    router = new Router(message, tell);
    await router.listen(message.listeners);
    tell({ type: "listening" });
  } catch (error) {
    tell({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

/** The arbiter is gone: finish what is under way, remove what it left, and go. */
async function leaveAlone(): Promise<void> {
  if (started === null) process.exit(1);
  setTimeout(() => void leave(), started.settings.gracefulTimeoutMs).unref();
  await router?.drain();
  router?.retireWorkers();
  await leave();
}

async function leave(): Promise<void> {
  await router?.stop();
  if (!process.connected && started !== null) removeLeftovers(started.leftovers);
  process.exit(0);
}
