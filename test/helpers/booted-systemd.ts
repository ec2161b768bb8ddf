import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { BOOT_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const SYSTEMD = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].find((path) => existsSync(path));
const CGROUPS = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) =>
  existsSync(join(path, "cgroup.procs")),
);

/** Why no systemd can be booted here; null when it can be tried. */
export function whyNoSystemd(): string | null {
  if (process.platform !== "linux") return "systemd is Linux's";
  if (process.getuid?.() !== 0) return "only root can boot a systemd";
  if (SYSTEMD === undefined) return "no systemd is installed";
  if (CGROUPS === undefined) return "there is no unified cgroup hierarchy";
  return null;
}

/** A systemd that runs as process 1 of its own namespaces, with units of the test and nothing else. */
export interface BootedSystemd {
  /** Runs systemctl; throws when it fails. */
  systemctl(...args: readonly string[]): string;
  /** A property of a unit as `systemctl show` has it. */
  property(unit: string, name: string): string;
}

/** Mounts are private to it: what it does to /run and /sys/fs/cgroup is seen by nobody else. */
const BOOT = `
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$1" "$2" --system \
  --unit=test.target --log-target=console --show-status=no
`;

const TARGET = "[Unit]\nDefaultDependencies=no\n";

/** Boots it, or resolves with the reason why the machine does not allow it. It ends with the test. */
export async function bootSystemd(
  t: TestContext,
  units: Readonly<Record<string, string>>,
): Promise<BootedSystemd | string> {
  const folder = await temporaryFolder(t, { "test.target": TARGET, ...units });
  const group = join(CGROUPS ?? "", `tunicorn-test-${process.pid}`);
  const script = `echo $$ > ${group}/cgroup.procs && exec unshare --kill-child --cgroup --mount --pid --fork --uts --ipc \
    --mount-proc sh -c '${BOOT}' sh ${folder} ${SYSTEMD ?? ""}`;
  try {
    mkdirSync(group);
  } catch (error) {
    return `no cgroup can be made: ${String(error)}`;
  }
  const booting = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [booting.stdout, booting.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const ended = new Promise<void>((resolve) => booting.once("close", () => resolve()));
  onTeardown(t, async () => {
    booting.kill("SIGKILL");
    await ended;
    await untilTrue(() => removeGroups(group), {
      deadlineMs: BOOT_DEADLINE_MS,
      what: "the end of all that systemd started",
    });
  });

  let isEnded = false;
  void ended.then(() => (isEnded = true));
  let pid = "";
  const run = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync("nsenter", ["-t", pid, "-m", "-p", "-C", "-i", "-u", "systemctl", "--no-pager", ...args], {
      encoding: "utf8",
    });
  const isUp = (): boolean => {
    pid = spawnSync("pgrep", ["-P", String(booting.pid)], { encoding: "utf8" }).stdout.trim();
    return isEnded || (pid !== "" && run("is-active", "test.target").stdout.trim() === "active");
  };
  try {
    await untilTrue(isUp, { deadlineMs: BOOT_DEADLINE_MS, what: "systemd" });
  } catch {
    return `systemd does not come up here: ${said.trim()}`;
  }
  if (isEnded) return `systemd does not boot here: ${said.trim()}`;
  const systemctl = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = run(...args);
    if (status !== 0) throw new Error(`systemctl ${args.join(" ")}: ${stdout}${stderr}${said}`);
    return stdout.trim();
  };
  return {
    systemctl,
    property: (unit, name) => systemctl("show", "--value", "-p", name, unit),
  };
}

/** A group can be removed when no process and no group is in it. Whether all are gone. */
function removeGroups(group: string): boolean {
  const { stdout } = spawnSync("find", [group, "-depth", "-type", "d"], { encoding: "utf8" });
  try {
    for (const path of stdout.split("\n").filter((line) => line !== "")) rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
