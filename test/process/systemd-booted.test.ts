/** A real systemd, as process 1 of namespaces of its own, where the machine allows it; else these tests are skipped. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { type BootedSystemd, bootSystemd, whyNoSystemd } from "../helpers/booted-systemd.ts";
import { request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, BOOT_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

/** A unit as guides to Gunicorn give it, word for word but for its paths and the name of the server. */
const GUIDE_UNIT = `
[Unit]
Description=Gunicorn instance
After=network.target

[Service]
User=www-data
Group=www-data
WorkingDirectory=/path/to/project
Environment="PATH=/path/to/venv/bin"
ExecStart=/path/to/venv/bin/tunicorn \\
          --config gunicorn-cfg.py \\
          run:app
ExecReload=/bin/kill -HUP $MAINPID
Restart=always

[Install]
WantedBy=multi-user.target
`;

const APPLICATION = `
import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("slow-began", "w").close()
        time.sleep(1)
    answer = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
`;

const PYTHON = "/usr/bin/python3";

/** Whether www-data can run what the units start: the checkout may lie in a folder of root's alone. */
function whyNot(): string | null {
  const reason = whyNoSystemd();
  if (reason !== null) return reason;
  const command = join(repositoryRoot, "bin/tunicorn.js");
  const asUser = (...args: readonly string[]): boolean =>
    spawnSync("setpriv", ["--reuid=www-data", "--regid=www-data", "--clear-groups", ...args]).status === 0;
  if (!asUser(process.execPath, command, "--version")) return "www-data cannot run this checkout";
  return asUser(PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 10))")
    ? null
    : `www-data cannot run ${PYTHON} 3.10`;
}

const skip = whyNot() ?? false;

interface Project {
  readonly systemd: BootedSystemd;
  readonly folder: string;
  /** The pid that answers a request. */
  readonly answer: (path?: string) => Promise<string>;
}

/** A virtual environment with what pip would put there: the package, the console script, and a Node. */
function makeVenv(folder: string): void {
  const { status, stderr } = spawnSync(PYTHON, ["-m", "venv", "--without-pip", folder], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const [version = ""] = readdirSync(join(folder, "lib"));
  const packages = join(folder, "lib", version, "site-packages");
  writeFileSync(join(packages, "tunicorn.pth"), `${join(repositoryRoot, "python")}\n`);
  const script = `#!${folder}/bin/python\nfrom tunicorn.launcher import main\nmain()\n`;
  writeFileSync(join(folder, "bin/tunicorn"), script, { mode: 0o755 });
  symlinkSync(process.execPath, join(folder, "bin/node"));
}

/** A project and a virtual environment as the guide has them, and a systemd that knows their unit. */
async function bootProject(
  t: TestContext,
  units: (folder: string) => Readonly<Record<string, string>>,
): Promise<Project | string> {
  const folder = await temporaryFolder(t);
  chmodSync(folder, 0o777);
  const socket = join(folder, "app.sock");
  await writeFiles(folder, { "run.py": APPLICATION, "gunicorn-cfg.py": `bind = "unix:${socket}"\n` });
  makeVenv(join(folder, "venv"));
  const systemd = await bootSystemd(t, units(folder));
  if (typeof systemd === "string") return systemd;
  return {
    systemd,
    folder,
    answer: async (path = "/") => {
      const { status, text } = await request(socket, path);
      assert.equal(status, 200, text);
      return text;
    },
  };
}

function placed(unit: string, folder: string): string {
  return (
    unit
      .replaceAll("/path/to/project", folder)
      .replaceAll("/path/to/venv", join(folder, "venv"))
      .replaceAll("/srv/app/venv", join(folder, "venv"))
      .replaceAll("/srv/app", folder)
      .replaceAll("/run/tunicorn.sock", join(folder, "app.sock"))
      .replaceAll("gunicorn.conf.py wsgi:app", "gunicorn-cfg.py run:app")
      // The project of the test is in /tmp.
      .replace("PrivateTmp=true\n", "")
      .replace("[Unit]", "[Unit]\nDefaultDependencies=no")
      .replace("[Service]", `[Service]\nStandardError=append:${join(folder, "log")}`)
  );
}

test("a real systemd starts, reloads and stops the guide's unit", { skip }, async (t) => {
  const project = await bootProject(t, (folder) => ({ "gunicorn.service": placed(GUIDE_UNIT, folder) }));
  if (typeof project === "string") return t.skip(project);
  const { systemd, folder, answer } = project;
  systemd.systemctl("start", "gunicorn.service");
  await untilTrue(() => answer().then(Boolean, () => false), {
    deadlineMs: BOOT_DEADLINE_MS,
    what: () => readFileSync(join(folder, "log"), "utf8"),
  });
  const first = await answer();
  const main = systemd.property("gunicorn.service", "MainPID");

  await t.test("a reload brings new workers under the same main process", async () => {
    systemd.systemctl("reload", "gunicorn.service");
    await untilTrue(async () => (await answer()) !== first, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => readFileSync(join(folder, "log"), "utf8"),
    });
    assert.equal(systemd.property("gunicorn.service", "MainPID"), main);
  });

  await t.test("a stop, which signals all processes, answers the request under way", async () => {
    const slow = answer("/slow");
    await untilTrue(() => existsSync(join(folder, "slow-began")), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "a request under way",
    });
    systemd.systemctl("stop", "gunicorn.service");
    await slow;
    assert.equal(systemd.property("gunicorn.service", "Result"), "success");
    assert.equal(systemd.property("gunicorn.service", "ActiveState"), "inactive");
    assert(!existsSync(join(folder, "app.sock")));
  });
});

const exampleUnits = join(repositoryRoot, "examples/systemd");

test(
  "a real systemd runs the example units: activation, notification, reload, watchdog, upgrade",
  { skip },
  async (t) => {
    const project = await bootProject(t, (folder) => {
      const unit = (name: string): string => placed(readFileSync(join(exampleUnits, name), "utf8"), folder);
      return {
        "tunicorn.service": unit("tunicorn.service").replace("WatchdogSec=30", "WatchdogSec=2"),
        "tunicorn.socket": unit("tunicorn.socket"),
      };
    });
    if (typeof project === "string") return t.skip(project);
    const { systemd, folder, answer } = project;
    const show = (name: string): string => systemd.property("tunicorn.service", name);
    const untilShown = (name: string, wanted: (value: string) => boolean): Promise<void> =>
      untilTrue(() => wanted(show(name)), {
        deadlineMs: BOOT_DEADLINE_MS,
        what: () => `${name}, last ${show(name)}\n${readFileSync(join(folder, "log"), "utf8")}`,
      });

    await t.test("a client of the socket starts the service and is answered", async () => {
      systemd.systemctl("start", "tunicorn.socket");
      assert.equal(show("ActiveState"), "inactive");
      await answer();
      await untilShown("ActiveState", (state) => state === "active");
      assert.equal(show("StatusText"), "1 worker for run:app");
    });

    await t.test("a reload that fails is told in the status", async () => {
      await writeFiles(folder, { "run.py": "not python at all\n" });
      systemd.systemctl("reload", "tunicorn.service");
      await untilShown("StatusText", (text) => text.startsWith("The reload failed"));
      await writeFiles(folder, { "run.py": APPLICATION });
      systemd.systemctl("reload", "tunicorn.service");
      await untilShown("StatusText", (text) => text === "1 worker for run:app");
    });

    await t.test("an upgrade makes another process the main one, and the service stays active", async () => {
      const old = show("MainPID");
      systemd.systemctl("kill", "--kill-who=main", "-s", "USR2", "tunicorn.service");
      await untilTrue(() => /The new arbiter .* is ready/.test(readFileSync(join(folder, "log"), "utf8")), {
        deadlineMs: BOOT_DEADLINE_MS,
        what: () => readFileSync(join(folder, "log"), "utf8"),
      });
      systemd.systemctl("kill", "--kill-who=main", "-s", "TERM", "tunicorn.service");
      await untilShown("MainPID", (pid) => pid !== old && pid !== "0");
      assert.equal(show("ActiveState"), "active");
      await answer();
    });

    await t.test("a stop after an upgrade is as graceful as before it", async () => {
      await untilTrue(() => /this one has its place/.test(readFileSync(join(folder, "log"), "utf8")), {
        deadlineMs: BOOT_DEADLINE_MS,
        what: () => readFileSync(join(folder, "log"), "utf8"),
      });
      const slow = answer("/slow");
      await untilTrue(() => existsSync(join(folder, "slow-began")), {
        deadlineMs: ANSWER_DEADLINE_MS,
        what: "a request under way",
      });
      systemd.systemctl("stop", "tunicorn.service");
      await slow;
      assert.equal(show("Result"), "success");
      await answer();
    });

    await t.test(
      "a router that hangs is found by the watchdog, and the service is started anew",
      async () => {
        const restarts = Number(show("NRestarts"));
        const router = spawnSync("pgrep", ["-f", `^tunicorn: router \\[run:app\\]`], { encoding: "utf8" });
        const mine = router.stdout
          .split("\n")
          .find(
            (pid) => pid !== "" && readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("tunicorn.service"),
          );
        assert(mine !== undefined, router.stdout);
        process.kill(Number(mine), "SIGSTOP");
        await untilShown("NRestarts", (count) => Number(count) > restarts);
        await answer();
      },
    );

    await t.test("a stop ends it; the socket is systemd's and stays", async () => {
      await untilShown("ActiveState", (state) => state === "active");
      systemd.systemctl("stop", "tunicorn.service");
      assert.equal(show("Result"), "success");
      assert(existsSync(join(folder, "app.sock")));
    });
  },
);
