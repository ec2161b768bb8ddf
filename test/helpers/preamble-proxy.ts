import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";

/** The parts of a version 2 preamble; what a test does not name is that of TCP over IPv4 from 192.0.2.1:1000. */
export interface PreambleParts {
  readonly signature?: string;
  readonly command?: number;
  readonly family?: number;
  readonly block?: Buffer;
  /** By default that of the block. */
  readonly length?: number;
}

/** Both addresses with their ports as version 2 writes them. */
export function addressBlock(
  source: readonly number[],
  destination: readonly number[],
  sourcePort: number,
  destinationPort: number,
): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  return Buffer.concat([Buffer.from([...source, ...destination]), ports]);
}

const BLOCK = addressBlock([192, 0, 2, 1], [192, 0, 2, 2], 1000, 443);

/** A version 2 preamble, of right or wrong parts (haproxy, doc/proxy-protocol.txt, section 2.2). */
export function binaryPreamble(parts: PreambleParts = {}): Buffer {
  const { signature = "\r\n\r\n\0\r\nQUIT\n", command = 0x21, family = 0x11, block = BLOCK } = parts;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(parts.length ?? block.length);
  return Buffer.concat([Buffer.from(signature, "latin1"), Buffer.from([command, family]), length, block]);
}

/** A proxy that understands nothing: it sends `preamble` ahead of each connection, and relays. Gives its port. */
export async function startPreambleProxy(
  t: TestContext,
  upstreamPort: number,
  preamble: Buffer | string,
): Promise<number> {
  const sockets = new Set<Socket>();
  const watch = (socket: Socket, other: () => Socket): void => {
    sockets.add(socket);
    socket.on("error", () => other().destroy());
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: upstreamPort, host: "127.0.0.1", allowHalfOpen: true });
    watch(client, () => upstream);
    watch(upstream, () => client);
    upstream.write(preamble);
    client.pipe(upstream).pipe(client);
  });
  onTeardown(t, async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) {
    throw new Error("The proxy has no port");
  }
  return address.port;
}
