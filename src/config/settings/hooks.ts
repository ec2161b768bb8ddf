/** Functions of the configuration file that the server calls. They run in the mold or in a worker. */
export const hookNames = [
  "on_starting",
  "when_ready",
  "pre_fork",
  "post_fork",
  "post_worker_init",
  "worker_int",
  "worker_abort",
  "worker_exit",
  "on_exit",
] as const;

export type HookName = (typeof hookNames)[number];
