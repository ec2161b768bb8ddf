import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { parseOutput, runProgram } from "../helpers/program.ts";
import { fixtureApps, LOOPBACK, python, repositoryRoot, startServer } from "../helpers/server.ts";

const CLIENT = join(repositoryRoot, "test/fixtures/clients/websocket_chat.py");

for (const [framework, application] of [
  ["Starlette", "starlette_chat:app"],
  ["FastAPI", "fastapi_chat:app"],
  ["Quart", "quart_chat:app"],
  ["Django Channels", "channels_chat:app"],
] as const) {
  test(`a chat of ${framework} with clients of the library websockets`, async (t) => {
    const server = await startServer(t, {
      cwd: join(fixtureApps, "chat"),
      args: [...LOOPBACK, "-k", "uvicorn.workers.UvicornWorker", application],
    });
    const seen = parseOutput(await runProgram(t, python, [CLIENT, String(server.port)]));
    assert.deepEqual(seen, {
      banned: 403,
      subprotocol: "chat",
      anna: ["hello anna", "bert joined", "anna: hällo", "bert left"],
      bert: ["hello bert", "anna: hällo"],
      blobs: [true, true],
      many: [true, true],
      "in order": [true, true],
      closed: [4000, "quit"],
    });
    await server.stop();
    assert.doesNotMatch(server.text, /\[(WARNING|ERROR)\]|Traceback/);
  });
}
