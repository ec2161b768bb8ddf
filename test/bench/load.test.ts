import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import type { LoadResult } from "../../bench/http/load/load.ts";
import { own, prepare, runClosedLoop } from "../../bench/http/load/own.ts";
import { mixedRequests } from "../../bench/http/load/shape.ts";
import { parseWrkReport } from "../../bench/http/load/wrk.ts";
import { ExitGuard } from "../../bench/http/measure/exit-guard.ts";
import { areTotalsRight } from "../../bench/http/measure/server-run.ts";
import type { WorkRequest } from "../../bench/http/works/work.ts";

const HELLO: WorkRequest = {
  method: "GET",
  path: "/",
  headers: [],
  answer: { contentType: "text/plain", body: Buffer.from("hello") },
};

/** Long enough that a machine which stands still for a while does not leave the load without a single answer. */
const SECONDS = 1;

async function listen(context: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("The own generator counts right answers, on connections that are kept and on such that are closed", async (context) => {
  const check = async (connection: string): Promise<void> => {
    const port = await listen(context, (_request, response) => {
      response.writeHead(200, { "Content-Length": 5, Connection: connection }).end("hello");
    });
    const result = await own.run({ port, request: HELLO, connections: 3, seconds: SECONDS }, new ExitGuard());
    assert.ok(result.requests > 0);
    assert.deepEqual([result.wrongAnswers, result.socketErrors], [0, 0]);
    assert.ok(result.p50Ms <= result.p99Ms);
    assert.equal(result.bytes.type === "each" && result.bytes.least === result.bytes.most, true);
  };
  await Promise.all([check("keep-alive"), check("close")]);
});

test("The own generator counts every answer with another body and every broken connection", async (context) => {
  const wrongPort = await listen(context, (_request, response) => {
    response.writeHead(200, { "Content-Length": 5 }).end("hallo");
  });
  const wrong = await own.run(
    { port: wrongPort, request: HELLO, connections: 1, seconds: SECONDS },
    new ExitGuard(),
  );
  assert.ok(wrong.requests > 0);
  assert.equal(wrong.wrongAnswers, wrong.requests);

  const brokenPort = await listen(context, (request) => void request.socket.destroy());
  const broken = await own.run(
    { port: brokenPort, request: HELLO, connections: 1, seconds: SECONDS },
    new ExitGuard(),
  );
  assert.equal(broken.requests, 0);
  assert.ok(broken.socketErrors > 0);
});

test("The own generator sends a body, and reports what an unanswered client has waited", async (context) => {
  const port = await listen(context, (request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.writeHead(200, { "Content-Length": 5 }).end(String(bytes)));
  });
  const upload: WorkRequest = {
    ...HELLO,
    method: "POST",
    body: Buffer.alloc(10_000),
    answer: { contentType: "text/plain", body: Buffer.from("10000") },
  };
  const result = await own.run({ port, request: upload, connections: 2, seconds: SECONDS }, new ExitGuard());
  assert.ok(result.requests > 0);
  assert.equal(result.wrongAnswers, 0);

  const silentPort = await listen(context, () => undefined);
  const prepared = prepare(HELLO, silentPort);
  const silent = await runClosedLoop({
    port: silentPort,
    connections: 1,
    seconds: SECONDS,
    next: () => prepared,
    mayWait: true,
  });
  assert.equal(silent.requests, 0);
  assert.ok(silent.p50Ms > 0);
  assert.equal(silent.socketErrors, 0);
});

test("mixedRequests() has exactly one slow request in each row, at the same places every time", () => {
  const shape = { type: "mixed", share: 0.05, slow: { ...HELLO, path: "/slow" } } as const;
  const draw = (): readonly boolean[] => {
    const next = mixedRequests(HELLO, shape, 80);
    return Array.from({ length: 200 }, () => next().isSlow);
  };
  const drawn = draw();
  for (let row = 0; row < 10; row += 1) {
    assert.equal(drawn.slice(row * 20, row * 20 + 20).filter(Boolean).length, 1, `row ${row}`);
  }
  assert.deepEqual(draw(), drawn);
  assert.ok(new Set(drawn.flatMap((isSlow, index) => (isSlow ? [index % 20] : []))).size > 1);
});

test("parseWrkReport() reads the line of wrk.lua, and complains when there is none", () => {
  const report =
    "Running 1s test @ http://127.0.0.1:8000/\n  1 threads and 4 connections\nRequests/sec: 4.00\n\n" +
    '{"requests":2000,"microseconds":500000,"bytes":200000,"p50":250,"p99":1500,' +
    '"status":1,"connect":2,"read":3,"write":4,"timeout":5}\n';
  const result = parseWrkReport(report);
  assert.equal(result.requestsPerSecond, 4000);
  assert.deepEqual([result.p50Ms, result.p99Ms], [0.25, 1.5]);
  assert.deepEqual([result.wrongAnswers, result.socketErrors], [1, 14]);
  assert.throws(() => parseWrkReport("unable to connect"), /Cannot find the result/);
});

test("areTotalsRight() lets each connection have one cut answer more, and no byte less", () => {
  const result = parseWrkReport(
    '{"requests":10,"microseconds":1,"bytes":0,"p50":1,"p99":1,"status":0,"connect":0,"read":0,"write":0,"timeout":0}',
  );
  const warmUp: LoadResult = { ...result, bytes: { type: "each", least: 100, most: 101 } };
  const isRight = (total: number): boolean =>
    areTotalsRight(warmUp, { ...result, bytes: { type: "total", total } }, 2);
  assert.deepEqual([999, 1000, 1212, 1213].map(isRight), [false, true, true, false]);
});
