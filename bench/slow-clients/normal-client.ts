/**
 * One client with one request at a time and a short pause between them: `normal-client.ts '{"port":…}'` prints the
 * latencies in milliseconds as JSON.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AnswerReader } from "../http/load/answer-reader.ts";

export interface NormalClientOptions {
  readonly port: number;
  readonly seconds: number;
  readonly pauseMs: number;
  /** One connection for all requests, or one for each. */
  readonly isKept: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as NormalClientOptions;
const { port, seconds, pauseMs, isKept } = options;
const request = `GET / HTTP/1.1\r\nHost: normal\r\n${isKept ? "" : "Connection: close\r\n"}\r\n`;
const latenciesMs: number[] = [];
let socket: Socket | undefined;

const endMs = performance.now() + seconds * 1000;
while (performance.now() < endMs) {
  const startMs = performance.now();
  socket ??= connect({ port, host: "127.0.0.1", noDelay: true });
  await ask(socket);
  latenciesMs.push(performance.now() - startMs);
  if (!isKept) socket = socket.destroy() && undefined;
  if (pauseMs > 0) await sleep(pauseMs);
}
console.log(JSON.stringify(latenciesMs));
process.exit();

function ask(connection: Socket): Promise<void> {
  const reader = new AnswerReader();
  return new Promise((resolve, reject) => {
    connection.once("error", reject);
    connection.on("data", (bytes: Buffer) => {
      if (!reader.read(bytes)) return;
      connection.removeAllListeners();
      if (reader.status === 200) resolve();
      else reject(new Error(`The normal client got status ${reader.status}`));
    });
    connection.once("close", () => reject(new Error("The normal client's connection was closed")));
    connection.write(request);
  });
}
