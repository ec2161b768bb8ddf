import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The CPU time that a container, or a systemd unit, may use. */
export interface CpuQuota {
  /** In CPUs; 1.5 is one and a half. */
  readonly cpus: number;
  /** The file that says it. */
  readonly file: string;
}

/**
 * The least CPU quota of the cgroups that this process is in (versions 1 and 2), or null when there is none.
 * `root` is where the file system begins.
 */
export function readCpuQuota(root = "/"): CpuQuota | null {
  const quotas = [...directoriesV2(root), ...directoriesV1(root)].flatMap((directory) => {
    const quota = quotaOf(directory);
    return quota === null ? [] : [quota];
  });
  return quotas.toSorted((a, b) => a.cpus - b.cpus)[0] ?? null;
}

function quotaOf(directory: string): CpuQuota | null {
  // "200000 100000" or "max 100000": microseconds of CPU time in each period.
  const [quota = "", period = ""] = readText(join(directory, "cpu.max")).split(" ");
  return (
    makeQuota(quota, period, join(directory, "cpu.max")) ??
    makeQuota(
      readText(join(directory, "cpu.cfs_quota_us")),
      readText(join(directory, "cpu.cfs_period_us")),
      join(directory, "cpu.cfs_quota_us"),
    )
  );
}

function makeQuota(quota: string, period: string, file: string): CpuQuota | null {
  const cpus = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
  return Number.isFinite(cpus) && cpus > 0 ? { cpus, file } : null;
}

function directoriesV2(root: string): string[] {
  const path = cgroupPaths(root).find(({ controllers }) => controllers === "")?.path;
  return path === undefined ? [] : directoriesFor(root, path, (mount) => mount.type === "cgroup2");
}

function directoriesV1(root: string): string[] {
  const path = cgroupPaths(root).find(({ controllers }) => controllers.split(",").includes("cpu"))?.path;
  if (path === undefined) return [];
  return directoriesFor(
    root,
    path,
    ({ type, options }) => type === "cgroup" && options.split(",").includes("cpu"),
  );
}

/** Lines `hierarchy:controllers:path` (cgroups(7)). */
function cgroupPaths(root: string): { readonly controllers: string; readonly path: string }[] {
  const lines = readText(join(root, "proc/self/cgroup")).split("\n");
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return controllers === undefined || path === undefined ? [] : [{ controllers, path }];
  });
}

interface Mount {
  /** What part of the file system is mounted. */
  readonly part: string;
  readonly point: string;
  readonly type: string;
  readonly options: string;
}

/** The directory of a cgroup and those above it, as far as they can be seen: a limit above counts below. */
function directoriesFor(root: string, path: string, isMeant: (mount: Mount) => boolean): string[] {
  const mount = mounts(root).find(isMeant);
  if (mount === undefined) return [];
  const below = relative(mount.part, path);
  const top = join(root, mount.point);
  const directories: string[] = [];
  // A container sees its own cgroup at the mount point, under whatever path.
  for (let at = below.startsWith("..") ? "" : below; ; at = dirname(at)) {
    directories.push(join(top, at));
    if (at === "" || at === ".") return directories;
  }
}

/** Fields of proc_pid_mountinfo(5): id, parent, device, part, point, options, ..., -, type, source, options. */
function mounts(root: string): Mount[] {
  return readText(join(root, "proc/self/mountinfo"))
    .split("\n")
    .flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , , part, point] = before.split(" ");
      const [type, , options] = after.split(" ");
      if (part === undefined || point === undefined || type === undefined || options === undefined) return [];
      return [{ part, point, type, options }];
    });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
