/** The router process. The arbiter spawns this file; it speaks with it over the IPC channel. */
import { reasonOf } from "../errors.ts";
import { exitProcess } from "../log/log-file.ts";
import { removeLeftovers } from "./leftovers.ts";
import type {
  ArbiterToRouter,
  InheritedListener,
  Leftovers,
  RouterStart,
  RouterToArbiter,
} from "./messages.ts";
import { Router } from "./router.ts";
import { describeStartFailure } from "./start-failure.ts";

/** The arbiter decides when a router ends; a signal to the whole process group is meant for the arbiter. */
for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
  process.on(signal, () => undefined);
}

let router: Router | null = null;
/** What the last message about it said. */
let leftovers: Leftovers | null = null;
let gracefulTimeoutMs = 0;

process.on("message", (message: ArbiterToRouter, socket: unknown) => {
  void handle(message, socket);
});
process.on("disconnect", () => {
  void leaveAlone();
});

function tell(message: RouterToArbiter): void {
  // An arbiter that has just died is told by "disconnect", not by a failure to send.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function handle(message: ArbiterToRouter, socket: unknown): Promise<void> {
  switch (message.type) {
    case "start":
      await start(message);
      break;
    case "configure":
      process.title = message.settings.processTitle;
      gracefulTimeoutMs = message.settings.gracefulTimeoutMs;
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
    case "open-listener":
      await openListener(message.listener, socket);
      break;
    case "widen-listener":
      if (typeof socket === "object" && socket !== null) await router?.widenListener(message.id, socket);
      break;
    case "close-listeners":
      await router?.closeListeners(message.ids);
      tell({ type: "listeners-closed" });
      break;
    case "ping":
      tell({ type: "pong" });
      break;
    case "leftovers":
      leftovers = message.leftovers;
      break;
    case "drain":
      await router?.drain(message);
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
  process.title = message.settings.processTitle;
  leftovers = message.leftovers;
  gracefulTimeoutMs = message.settings.gracefulTimeoutMs;
  try {
    // The user of the router need not be one who may enter it: whoever starts another router is there.
    if (process.cwd() !== message.workingFolder) process.chdir(message.workingFolder);
    router = new Router(message, tell);
    await router.listen();
    tell({ type: "listening" });
  } catch (error) {
    tell({ type: "failed", message: describeStartFailure(error, message) });
  }
}

async function openListener(listener: InheritedListener, socket: unknown): Promise<void> {
  try {
    if (typeof socket !== "object" || socket === null) throw new Error("the socket did not come along");
    await router?.openListener(listener, socket);
    tell({ type: "listener-opened", error: null });
  } catch (error) {
    tell({ type: "listener-opened", error: reasonOf(error) });
  }
}

/** The arbiter is gone: finish what is under way, remove what it left, and go. */
async function leaveAlone(): Promise<void> {
  if (leftovers === null) process.exit(1);
  setTimeout(() => void leave(), gracefulTimeoutMs).unref();
  await router?.drain({ isHandover: false });
  router?.retireWorkers();
  await leave();
}

async function leave(): Promise<void> {
  await router?.stop();
  if (!process.connected && leftovers !== null) removeLeftovers(leftovers);
  exitProcess(0);
}
