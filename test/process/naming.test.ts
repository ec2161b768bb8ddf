import { test } from "node:test";

import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { readProcess } from "../helpers/processes.ts";
import { fixtureApps, LOOPBACK, type Server, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const ROLES = ["master", "mold", "router", "worker"];

function titlesOf(server: Server): string[] {
  const own = readProcess(server.pid)?.command ?? "";
  return [own, ...server.processTree().map(({ command }) => command)].toSorted();
}

async function untilTitled(server: Server, name: string): Promise<void> {
  const wanted = ROLES.map((role) => `tunicorn: ${role} [${name}]`);
  await untilTrue(() => JSON.stringify(titlesOf(server)) === JSON.stringify(wanted), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `titles ${wanted.join(", ")}, last ${titlesOf(server).join(", ")}`,
  });
}

test(
  "ps shows the role of each process and the name of the server, which a reload may change",
  { skip: process.platform === "linux" ? false : "titles are set and read on Linux" },
  async (t) => {
    const cwd = await temporaryFolder(t, { "gunicorn.conf.py": "" });
    const server = await startServer(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
    const rename = async (settings: string): Promise<void> => {
      await writeFiles(cwd, { "gunicorn.conf.py": settings });
      server.signal("SIGHUP");
    };

    await t.test("it is the application's by default", () => untilTitled(server, "pid"));

    await t.test("default_proc_name stands in for the application's", async () => {
      await rename("default_proc_name = 'shops'\n");
      await untilTitled(server, "shops");
    });

    await t.test("proc_name comes first", async () => {
      await rename("default_proc_name = 'shops'\nproc_name = 'shop one'\n");
      await untilTitled(server, "shop one");
    });
  },
);
