import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A socket that has read nothing yet, whose other end has said `content` and is gone. */
export async function openLeftSocket(t: TestContext, content: Buffer): Promise<Socket> {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void server.close());
  const accepting = once(server, "connection");
  server.listen(path);
  await once(server, "listening");
  const peer = connect(path);
  const [socket] = (await accepting) as [Socket];
  onTeardown(t, () => void socket.destroy());
  socket.on("error", () => undefined);
  await new Promise((resolve) => peer.write(content, resolve));
  peer.destroy();
  await once(peer, "close");
  return socket;
}
