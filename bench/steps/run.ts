/** Runs the measurements of single steps, router and worker. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const python = join(folder, "../../.venv/bin/python");

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}

run(process.execPath, ["--import", "tsx", join(folder, "router.ts")]);
run(python, [join(folder, "worker.py"), "hello:app"]);
run(python, [join(folder, "asgi_worker.py"), "hello_asgi:app"]);
run(python, [join(folder, "worker.py"), "flask_json:app", "/items/7"]);
run(python, [join(folder, "asgi_worker.py"), "fastapi_json:app", "/items/7"]);
