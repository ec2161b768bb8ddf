// Generous on purpose: a deadline is there to fail a test that hangs, not to measure a loaded machine.

/** From the start of the command to its listening and the boot of its workers. */
export const BOOT_DEADLINE_MS = 20_000;

/** From a cause to the log line that tells of it. */
export const LOG_DEADLINE_MS = 15_000;

/** From a request to the end of its answer. */
export const ANSWER_DEADLINE_MS = 20_000;

/** For a start at an address in use: five attempts, a second apart, each of which looks for whose it is. */
export const BIND_DEADLINE_MS = 60_000;

/** From a signal to the exit of the command. */
export const EXIT_DEADLINE_MS = 20_000;

/** From the death of the arbiter to the end of its last process and file. */
export const CLEANUP_DEADLINE_MS = 15_000;

/** For a client program (curl, Python, nginx) to do all its work. */
export const PROGRAM_DEADLINE_MS = 60_000;

/** How long teardown lets a server leave by itself before it is killed. */
export const TEARDOWN_DEADLINE_MS = 8_000;

const CHECK_INTERVAL_MS = 20;

export interface Wait {
  readonly deadlineMs: number;
  /** What is awaited, for the message of the failure; a function when it is only known by then. */
  readonly what: string | (() => string);
}

/** Settles as `promise` does, or rejects when the deadline passes first. */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  { deadlineMs, what }: Wait,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const named = typeof what === "string" ? what : what();
      reject(new Error(`Not within ${deadlineMs} ms: ${named}`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** For facts that announce themselves by no event, such as a process or a file that goes: looks until it holds. */
export async function untilTrue(
  holds: () => boolean | Promise<boolean>,
  { deadlineMs, what }: Wait,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > end) {
      const named = typeof what === "string" ? what : what();
      throw new Error(`Not within ${deadlineMs} ms: ${named}`);
    }
    await new Promise((resolve) => setTimeout(resolve, CHECK_INTERVAL_MS));
  }
}
