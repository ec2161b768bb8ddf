/**
 * Functions of the configuration file that the server calls. `parameters` is what each is called with,
 * by position; the mold checks that it can be. docs/hooks.md says when.
 */
const hooks = {
  ssl_context: ["config", "default_ssl_context_factory"],
  nworkers_changed: ["server", "new_value", "old_value"],
  on_starting: ["server"],
  when_ready: ["server"],
  pre_fork: ["server", "worker"],
  post_fork: ["server", "worker"],
  post_worker_init: ["worker"],
  pre_request: ["worker", "req"],
  post_request: ["worker", "req", "environ", "resp"],
  worker_int: ["worker"],
  worker_abort: ["worker"],
  worker_exit: ["server", "worker"],
  child_exit: ["server", "worker"],
  on_reload: ["server"],
  pre_exec: ["server"],
  on_exit: ["server"],
} as const;

export type HookName = keyof typeof hooks;

export const hookParameters: Readonly<Record<HookName, readonly string[]>> = hooks;

export const hookNames = Object.keys(hooks) as readonly HookName[];

/** Hooks that the arbiter itself has the mold run, with the server alone. */
export type ServerHookName = "on_starting" | "when_ready" | "on_reload" | "pre_exec" | "on_exit";

/** Hooks of Gunicorn that are known by name and are not called yet. */
export const hooksNotYet: readonly string[] = [
  "on_dirty_starting",
  "dirty_post_fork",
  "dirty_worker_init",
  "dirty_worker_exit",
];
