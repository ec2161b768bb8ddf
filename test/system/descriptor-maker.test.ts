import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { bindAbstract, bindShared, connectDatagram } from "../../src/system/descriptor-maker.ts";
import { LOG_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { openDescriptors } from "./open-files.ts";

const skip = process.platform === "linux" ? false : "abstract names and /proc are Linux's";

/** Receives datagrams, and says of each what it holds and the pid that the kernel names as its sender. */
const RECEIVER = `
import socket, struct, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print("ready", flush=True)
while True:
    data, [(_, _, credentials), *_], _, _ = receiver.recvmsg(4096, 128)
    print(data.decode(), struct.unpack("iii", credentials)[0], flush=True)
`;

test("bindShared() binds what another server of the user has bound, and leaves nothing open when closed", async () => {
  const before = openDescriptors().length;
  const first = await bindShared(python, "127.0.0.1", 0);
  assert.equal(first.name.type, "tcp");
  const { port } = first.name as { port: number };
  const second = await bindShared(python, "127.0.0.1", port);
  assert.deepEqual(second.name, first.name);
  first.close();
  second.close();
  await untilTrue(() => openDescriptors().length <= before, {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the end of all descriptors",
  });
});

test("bindShared() rejects with the system's code", async () => {
  await assert.rejects(bindShared(python, "192.0.2.1", 0), { code: "EADDRNOTAVAIL" });
});

test("bindShared() rejects when there is no such interpreter", async () => {
  await assert.rejects(bindShared("/nowhere/python", "127.0.0.1", 0), { code: "ENOENT" });
});

test("bindAbstract() binds a name on which a server can listen", { skip }, async (t) => {
  const socket = await bindAbstract(python, `tunicorn-maker-${process.pid}`);
  const server = createServer();
  onTeardown(t, () => void server.close());
  await new Promise<void>((resolve) => server.listen({ fd: socket.fd }, resolve));
  await assert.rejects(bindAbstract(python, `tunicorn-maker-${process.pid}`), { code: "EADDRINUSE" });
});

for (const kind of ["path", "abstract name"] as const) {
  test(
    `connectDatagram() connects to a ${kind}; what is written bears the pid of this process, until it is closed`,
    { skip },
    async (t) => {
      const path = join(await temporaryFolder(t), "notify");
      const [address, name] =
        kind === "path"
          ? [path, path]
          : [`@tunicorn-notify-${process.pid}`, `\\0tunicorn-notify-${process.pid}`];
      const program = RECEIVER.replace("sys.argv[1]", JSON.stringify(name).replace("\\\\0", "\\0"));
      const receiver = spawn(python, ["-c", program], { stdio: ["ignore", "pipe", "inherit"] });
      onTeardown(t, () => void receiver.kill("SIGKILL"));
      let said = "";
      receiver.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      const untilSaid = (text: string): Promise<void> =>
        untilTrue(() => said.includes(text), {
          deadlineMs: LOG_DEADLINE_MS,
          what: () => `${text} in ${said}`,
        });
      await untilSaid("ready");

      const before = openDescriptors().length;
      const { fd, close } = await connectDatagram(python, address);
      writeSync(fd, "READY=1");
      await untilSaid(`READY=1 ${process.pid}\n`);
      // The program that made it has ended by now; the descriptor has not.
      writeSync(fd, "STOPPING=1");
      await untilSaid(`STOPPING=1 ${process.pid}\n`);
      close();
      await untilTrue(() => openDescriptors().length === before, {
        deadlineMs: LOG_DEADLINE_MS,
        what: () => `${before} open descriptors, not ${openDescriptors().length}`,
      });
    },
  );
}

test("connectDatagram() rejects when nobody receives there", { skip }, async (t) => {
  const path = join(await temporaryFolder(t), "notify");
  const connecting = connectDatagram(python, path);
  const wait = { deadlineMs: LOG_DEADLINE_MS, what: "the refusal" };
  await assert.rejects(withDeadline(connecting, wait), { code: "ENOENT" });
});
