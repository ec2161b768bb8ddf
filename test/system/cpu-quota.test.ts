import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { readCpuQuota } from "../../src/system/cpu-quota.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const V2_MOUNT =
  "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup2 rw,nsdelegate";
const V1_MOUNT =
  "33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";

interface Case {
  readonly what: string;
  readonly cgroup: string;
  readonly mountinfo: string;
  readonly files: Readonly<Record<string, string>>;
  /** CPUs, and the file that says so; null: no quota. */
  readonly quota: readonly [number, string] | null;
}

const cases: readonly Case[] = [
  {
    what: "a container under version 2, which sees its own cgroup as the root",
    cgroup: "0::/\n",
    mountinfo: V2_MOUNT,
    files: { "sys/fs/cgroup/cpu.max": "150000 100000\n" },
    quota: [1.5, "sys/fs/cgroup/cpu.max"],
  },
  {
    what: "a container under version 2 without a namespace for cgroups",
    cgroup: "0::/../../docker/4711\n",
    mountinfo: V2_MOUNT,
    files: { "sys/fs/cgroup/cpu.max": "50000 100000\n" },
    quota: [0.5, "sys/fs/cgroup/cpu.max"],
  },
  {
    what: "a unit of systemd, whose slice has the smaller quota",
    cgroup: "0::/shop.slice/web.service\n",
    mountinfo: V2_MOUNT,
    files: {
      "sys/fs/cgroup/shop.slice/cpu.max": "200000 100000\n",
      "sys/fs/cgroup/shop.slice/web.service/cpu.max": "400000 100000\n",
    },
    quota: [2, "sys/fs/cgroup/shop.slice/cpu.max"],
  },
  {
    what: "no quota under version 2",
    cgroup: "0::/shop.slice\n",
    mountinfo: V2_MOUNT,
    files: { "sys/fs/cgroup/shop.slice/cpu.max": "max 100000\n" },
    quota: null,
  },
  {
    what: "a container under version 1, whose cgroup is what is mounted",
    cgroup: "5:cpu,cpuacct:/docker/4711\n4:memory:/docker/4711\n",
    mountinfo: V1_MOUNT.replace(" / ", " /docker/4711 "),
    files: {
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    },
    quota: [3, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us"],
  },
  {
    what: "no quota under version 1",
    cgroup: "5:cpu,cpuacct:/\n",
    mountinfo: V1_MOUNT,
    files: {
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    },
    quota: null,
  },
  { what: "no cgroups at all", cgroup: "", mountinfo: "", files: {}, quota: null },
];

for (const { what, cgroup, mountinfo, files, quota } of cases) {
  test(`readCpuQuota() knows ${what}`, async (t) => {
    const proc = { "proc/self/cgroup": cgroup, "proc/self/mountinfo": `${mountinfo}\n` };
    const root = await temporaryFolder(t, { ...proc, ...files });
    const expected = quota === null ? null : { cpus: quota[0], file: join(root, quota[1]) };
    assert.deepEqual(readCpuQuota(root), expected);
  });
}

test("readCpuQuota() reads the files of this machine without complaint", () => {
  const quota = readCpuQuota();
  assert(quota === null || quota.cpus > 0);
});
