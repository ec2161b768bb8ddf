import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { LOG_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { python, repositoryRoot } from "./server.ts";
import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface Notification {
  /** `NAME=value` each. */
  readonly lines: readonly string[];
  /** The sender, as the kernel names it. */
  readonly pid: number;
  readonly at: number;
}

/** A stand-in for systemd: the socket of NOTIFY_SOCKET, spoken to by the real protocol. */
export interface NotifySocket {
  readonly address: string;
  readonly all: readonly Notification[];
  /** The notifications from a position on that hold a line that matches. */
  matching(pattern: RegExp, from?: number): readonly Notification[];
  /** The first one, past or future. */
  waitFor(pattern: RegExp, from?: number): Promise<Notification>;
}

export async function openNotifySocket(t: TestContext, address?: string): Promise<NotifySocket> {
  const chosen = address ?? join(await temporaryFolder(t), "notify");
  const program = join(repositoryRoot, "test/fixtures/notify_socket.py");
  const receiver = spawn(python, [program, chosen], { stdio: ["ignore", "pipe", "inherit"] });
  onTeardown(t, () => void receiver.kill("SIGKILL"));
  const all: Notification[] = [];
  createInterface({ input: receiver.stdout }).on("line", (text) => {
    const { lines, pid } = JSON.parse(text) as Omit<Notification, "at">;
    all.push({ lines, pid, at: performance.now() });
  });
  const matching = (pattern: RegExp, from = 0): readonly Notification[] =>
    all.slice(from).filter(({ lines }) => lines.some((line) => pattern.test(line)));
  const waitFor = async (pattern: RegExp, from = 0): Promise<Notification> => {
    await untilTrue(() => matching(pattern, from).length > 0, {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `${pattern} among ${JSON.stringify(all)}`,
    });
    return matching(pattern, from)[0] as Notification;
  };
  await waitFor(/^listening$/);
  return { address: chosen, all, matching, waitFor };
}
