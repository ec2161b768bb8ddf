import assert from "node:assert/strict";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { fixtureApps, LOOPBACK, runCommand, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const env = { PYTHONPATH: fixtureApps };

/** What the Server field says of an answer of the application, and of one that the server gives by itself. */
async function serverFields(port: number): Promise<readonly (string | undefined)[]> {
  const own = { headers: { Expect: "the unexpected" } };
  const answers = [await request(port, "/"), await request(port, "/", own)];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 417],
  );
  return answers.map(({ headers }) => headers.get("server"));
}

test("the Server field says what Gunicorn's names or server_header say in the file, after a reload too", async (t) => {
  const cwd = await temporaryFolder(t, {
    "gunicorn.conf.py": 'import gunicorn\ngunicorn.SERVER = "undisclosed"\n',
  });
  const server = await startServer(t, { cwd, env, args: [...LOOPBACK, "pid"] });
  assert.deepEqual(await serverFields(server.port), ["undisclosed", "undisclosed"]);

  for (const [text, expected] of [
    [
      'import gunicorn\ngunicorn.SERVER = "not this"\nserver_header = "Apache/1.3 (Unix)"\n',
      "Apache/1.3 (Unix)",
    ],
    ['server_header = ""\n', undefined],
    ['import gunicorn.http.wsgi\ngunicorn.http.wsgi.SERVER = "api"\n', "api"],
    [
      "from gunicorn.http import wsgi\nbefore = wsgi.Response.default_headers\n" +
        "def default_headers(*args):\n    return [h for h in before(*args) if not h.startswith('Server: ')]\n" +
        "wsgi.Response.default_headers = default_headers\n",
      undefined,
    ],
    ["import gunicorn\n", "tunicorn"],
  ] as const) {
    const before = server.lines.length;
    await writeFiles(cwd, { "gunicorn.conf.py": text });
    server.signal("SIGHUP");
    await server.waitForLine(/Reloaded/, { from: before });
    assert.deepEqual(await serverFields(server.port), [expected, expected]);
  }
});

test("a server_header that would end its line is refused", async (t) => {
  const { status, stderr } = await runCommand(t, {
    cwd: await temporaryFolder(t, {}),
    args: ["--server-header", "a\r\nSet-Cookie: b", "pid"],
  });
  assert.equal(status, 1);
  assert.match(stderr, /server_header.*want text of visible ASCII characters/s);
});
