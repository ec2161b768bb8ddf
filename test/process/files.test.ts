import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { openPathsOf } from "../helpers/processes.ts";
import { fixtureApps, LOOPBACK, type Server, startServer } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "open files are looked at on Linux";

/** More than sockets and the memory for one response hold, so that a client who does not read leaves some of it. */
const FILE_BYTES = 16 * 1024 * 1024;

const APPLICATION = `
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/file":
        environ["wsgi.errors"].write("opens the file\\n")
        return environ["wsgi.file_wrapper"](open("large.bin", "rb"))
    return [b"free"]
`;

function routerPaths(server: Server): readonly string[] {
  const router = server.processTree().find(({ command }) => command.includes("tunicorn: router"));
  return router === undefined ? [] : openPathsOf(router.pid);
}

/** Asks for a file, and reads nothing until the worker is free. Whether the router reads the file itself. */
async function isReadByRouter(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const cwd = await temporaryFolder(t, { "app.py": APPLICATION });
  await writeFile(join(cwd, "large.bin"), Buffer.alloc(FILE_BYTES, "x"));
  const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "app"], env });
  // Without a listener for its data a socket reads nothing.
  const socket = connect(server.port, "127.0.0.1");
  onTeardown(t, () => void socket.destroy());
  socket.write("GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await server.waitForLine(/opens the file/);
  assert.equal((await request(server.port, "/")).text, "free");
  const isRead = routerPaths(server).includes(join(cwd, "large.bin"));
  socket.destroy();
  await server.stop();
  return isRead;
}

test("sendfile: the router reads a wrapped file itself, unless it is told not to", { skip }, async (t) => {
  assert.equal(await isReadByRouter(t, []), true);
  assert.equal(await isReadByRouter(t, ["--no-sendfile"]), false);
  assert.equal(await isReadByRouter(t, [], { SENDFILE: "yes" }), true);
  assert.equal(await isReadByRouter(t, [], { SENDFILE: "0" }), false);
});

test("tmp_upload_dir holds the bodies that are too large for memory", { skip }, async (t) => {
  const folder = await temporaryFolder(t, {
    "gunicorn.conf.py": "tmp_upload_dir = 'uploads'\n",
    "uploads/.keep": "",
  });
  const server = await startServer(t, {
    cwd: folder,
    args: [...LOOPBACK, "--pythonpath", fixtureApps, "echo"],
  });
  const connection = await ClientConnection.open(t, server.port);
  connection.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
  connection.send(Buffer.alloc(8_000_000, "x"));
  await untilTrue(() => routerPaths(server).some((path) => path.includes("/uploads/tunicorn-body-")), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `a file in uploads, open are ${routerPaths(server).join()}`,
  });
});
