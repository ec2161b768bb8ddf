import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { BOOT_DEADLINE_MS, EXIT_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { examples, repositoryRoot } from "./server.ts";
import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const version = spawnSync("nginx", ["-V"], { encoding: "utf8" });
const streamModule = findStreamModule();

/** For the `skip` of a test behind nginx. */
export const withoutNginx =
  version.status === 0 ? false : "nginx is not on PATH: install it to run this test";
/** The same for one that needs nginx's stream module. */
export const withoutStream =
  streamModule === undefined
    ? "nginx has no stream module: install libnginx-mod-stream to run this test"
    : false;

const ATTEMPTS = 5;

/** nginx with a configuration made for a free port, which is returned. It ends with the test. */
async function startNginx(t: TestContext, configurationFor: (port: number) => string): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = await findFreePort();
    const folder = await temporaryFolder(t, { "nginx.conf": configurationFor(port) });
    if (await isServing(t, folder)) {
      return port;
    }
  }
  throw new Error(`No free port for nginx in ${ATTEMPTS} attempts`);
}

/** The configuration of examples/nginx, moved to a free port and in front of `upstreamPort`. */
export async function startGuideNginx(
  t: TestContext,
  upstreamPort: number,
  rewrite: (configuration: string) => string = (configuration) => configuration,
): Promise<number> {
  const guide = await readFile(join(examples, "nginx/nginx.conf"), "utf8");
  return startNginx(t, (port) =>
    rewrite(
      guide
        .replace("server 127.0.0.1:8000 ", `server 127.0.0.1:${upstreamPort} `)
        .replace("listen 80;", `listen 127.0.0.1:${port};`),
    ),
  );
}

/** A template of test/fixtures/nginx, on a free port and in front of `upstreamPort`. */
export async function startTemplateNginx(
  t: TestContext,
  template: "uwsgi" | "proxy-protocol",
  upstreamPort: number,
  rewrite: (configuration: string) => string = (configuration) => configuration,
): Promise<number> {
  const path = join(repositoryRoot, "test/fixtures/nginx", `${template}.conf.template`);
  const text = await readFile(path, "utf8");
  return startNginx(t, (port) =>
    rewrite(
      text
        .replace("@PORT@", String(port))
        .replace("@UPSTREAM_PORT@", String(upstreamPort))
        .replace("@MODULES@", streamModule ?? ""),
    ),
  );
}

/** The line that loads nginx's stream module, empty when it is built in; undefined when there is none. */
function findStreamModule(): string | undefined {
  const { stderr, status } = version;
  if (status !== 0) return undefined;
  if (/--with-stream(?:\s|$)/.test(stderr)) return "";
  const folder = /--modules-path=(\S+)/.exec(stderr)?.[1];
  const path = join(folder ?? "", "ngx_stream_module.so");
  return folder !== undefined && existsSync(path) ? `load_module ${path};` : undefined;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves with whether nginx serves: another program may take the port between our look and its bind. */
async function isServing(t: TestContext, folder: string): Promise<boolean> {
  // As root nginx would hand its folders to another user, who cannot reach into ours.
  const user = process.getuid?.() === 0 ? ["-g", `user ${userInfo().username};`] : [];
  const args = ["-p", `${folder}/`, "-c", "nginx.conf", "-e", "stderr", ...user];
  const nginx = spawn("nginx", args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise<void>((resolve) => nginx.once("exit", () => resolve()));
  onTeardown(t, async () => {
    nginx.kill("SIGTERM");
    await withDeadline(exited, { deadlineMs: EXIT_DEADLINE_MS, what: "exit of nginx" });
  });
  const lines: string[] = [];
  const told = new Promise<boolean>((resolve, reject) => {
    const reader = createInterface({ input: nginx.stderr });
    reader.on("line", (line) => {
      lines.push(line);
      if (line.includes("start worker process ")) {
        resolve(true);
      } else if (line.includes("Address already in use")) {
        resolve(false);
      }
    });
    reader.once("close", () => reject(new Error(`nginx did not start:\n${lines.join("\n")}`)));
  });
  return withDeadline(told, { deadlineMs: BOOT_DEADLINE_MS, what: () => `nginx: ${lines.join("\n")}` });
}
