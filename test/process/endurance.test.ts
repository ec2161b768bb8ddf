/**
 * Signals under steady load lose no request and leave nothing behind. In full by TUNICORN_TEST_ENDURANCE=full, which
 * takes a minute or two: 50 HUPs, 20 pairs of TTIN and TTOU, 3 upgrades by USR2. Otherwise a few of each.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { test } from "node:test";

import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import type { ProcessEntry } from "../helpers/processes.ts";
import { type Server, startFixture } from "../helpers/server.ts";
import { SteadyLoad } from "../helpers/steady-load.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { upgrade } from "../helpers/upgrade.ts";

const skip = process.platform === "linux" ? false : "the process table is read on Linux";

const isFull = process.env["TUNICORN_TEST_ENDURANCE"] === "full";
const RELOADS = isFull ? 50 : 4;
const SCALINGS = isFull ? 20 : 3;
const UPGRADES = isFull ? 3 : 1;

/** What a server has: its processes by name, the descriptors of each by kind, its files. */
interface Holdings {
  readonly processes: readonly string[];
  readonly descriptors: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly string[];
}

/** `tunicorn: router [pid]` is a router. */
function roleOf({ command }: ProcessEntry): string {
  return /^tunicorn: (\w+)/.exec(command)?.[1] ?? command;
}

/** Null for a process that has ended. */
function openedBy(pid: number): string[] | null {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return null;
  }
}

/** Numbers differ from one run to the next; what is open, and how often, does not. */
function descriptorsOf(pid: number, opened: readonly string[]): string[] {
  return opened
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return []; // Closed while we looked.
      }
    })
    .map((target) =>
      target
        .replace(/:\[\d+\]$/, "")
        .replace(/tunicorn-\w{6}/, "tunicorn-X")
        .replace(/\d+$/, "N"),
    )
    .toSorted();
}

function holdingsOf(server: Server, folder: string, arbiter: number): Holdings {
  const tree = server.processTree().filter(({ pid }) => pid !== arbiter);
  const own = { pid: arbiter, parentPid: 0, name: "", command: "tunicorn: master" };
  const all = [own, ...tree].flatMap((entry) => {
    // A program that only does a job may have ended since it was listed.
    const opened = openedBy(entry.pid);
    return opened === null ? [] : [{ role: roleOf(entry), descriptors: descriptorsOf(entry.pid, opened) }];
  });
  return {
    processes: all.map(({ role }) => role).toSorted(),
    // By name: pids begin anew after the last one there is.
    descriptors: Object.fromEntries(
      all
        .map(({ role, descriptors }) => [role, descriptors] as const)
        .toSorted(([left], [right]) => left.localeCompare(right)),
    ),
    files: readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => name.replace(/tunicorn-\w{6}/, "tunicorn-X").replace(/\d+/g, "N"))
      .toSorted(),
  };
}

test(
  `${RELOADS} HUPs, ${SCALINGS} TTIN and TTOU and ${UPGRADES} USR2 under load lose no request and leave nothing`,
  { skip },
  async (t) => {
    // The shared queue is used on a memory file system alone.
    const folder = mkdtempSync("/dev/shm/tt-");
    onTeardown(t, () => rmSync(folder, { recursive: true, force: true }));
    const server = await startFixture(t, "pid", {
      args: ["-w", "2", "--worker-tmp-dir", folder, "--queue-dir", folder],
      workers: 2,
    });
    await server.waitForLine(/\[INFO\] Ready/);
    const check = ({ status, text }: { status: number; text: string }): void => {
      assert.equal(status, 200, text);
      assert.match(text, /^\d+$/);
    };
    const options = { keepAlive: 3, fresh: 3, idling: 8, target: "/", check };
    const settle = async (): Promise<void> => {
      const warm = new SteadyLoad(server.port, options);
      await untilTrue(() => warm.answers > 200, { deadlineMs: CLEANUP_DEADLINE_MS, what: "200 answers" });
      await warm.stop();
      assert.deepEqual(warm.failures, []);
    };
    await settle();
    let before = holdingsOf(server, folder, server.pid);
    await untilTrue(
      () => {
        const now = holdingsOf(server, folder, server.pid);
        const isSame = JSON.stringify(now) === JSON.stringify(before);
        before = now;
        // Beside them there may be a program that only does a job.
        return isSame && now.processes.length === 5;
      },
      { deadlineMs: CLEANUP_DEADLINE_MS, what: "a quiet server" },
    );
    assert.deepEqual(before.processes, ["master", "mold", "router", "worker", "worker"]);

    const load = new SteadyLoad(server.port, options);
    onTeardown(t, () => load.stop());
    let arbiter = server.pid;
    const signal = (name: NodeJS.Signals): void => void process.kill(arbiter, name);

    for (let count = 0; count < RELOADS; count += 1) {
      const from = server.lines.length;
      signal("SIGHUP");
      await server.waitForLine(/\[INFO\] Reloaded/, { from });
    }
    // Each reload ends two workers, and each TTOU one. A TTIN amid a TTOU could cancel it out: no worker would boot.
    const untilExits = (count: number) => server.waitForLine(/Worker exiting/, { count });
    await untilExits(2 * RELOADS);
    for (let count = 1; count <= SCALINGS; count += 1) {
      const from = server.lines.length;
      signal("SIGTTIN");
      await server.waitForLine(/Booting worker/, { from });
      signal("SIGTTOU");
      await untilExits(2 * RELOADS + count);
    }
    for (let count = 0; count < UPGRADES; count += 1) {
      const from = server.lines.length;
      const next = await upgrade(t, server, { pid: arbiter });
      signal("SIGTERM");
      await server.waitForLine(/this one has its place/, { from });
      arbiter = next.pid;
    }
    await load.stop();
    t.diagnostic(`${load.answers} answers, ${load.failures.length} failures`);
    assert.deepEqual(load.failures, []);
    assert(load.answers > 100, String(load.answers));

    let after = before;
    await untilTrue(
      () => {
        after = holdingsOf(server, folder, arbiter);
        return JSON.stringify(after) === JSON.stringify(before);
      },
      {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () =>
          `what was there before:\n${JSON.stringify(before, null, 1)}\nnow:\n${JSON.stringify(after, null, 1)}`,
      },
    );
    process.kill(arbiter, "SIGTERM");
    await server.waitForNoProcess();
    assert.deepEqual(readdirSync(folder), []);
  },
);
