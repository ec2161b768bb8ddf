import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { countingBytes, sha256 } from "../helpers/bodies.ts";
import { type Answer, ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import {
  ANSWER_DEADLINE_MS,
  CLEANUP_DEADLINE_MS,
  PROGRAM_DEADLINE_MS,
  untilTrue,
  withDeadline,
} from "../helpers/deadlines.ts";
import { type GatedServer, startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 100 * MIB;
const FILE_BYTES = 20 * MIB;

/** What a body of any size may add to the router's memory. */
const MEMORY_GROWTH_LIMIT_BYTES = 64 * MIB;

/** A cookie value that needs every kind of quoting. */
const ODD_VALUE = 'a "b"; c, d=é%20\\ ü';

/** What the applications below have in common. */
const COMMON = `
import hashlib
import os
import sys

BLOCK = bytes(range(256)) * 256


def wait_at_gate():
    with open(os.environ["GATE"]) as gate:
        gate.read()


def blocks(left):
    while left > 0:
        yield BLOCK[:left]
        left -= len(BLOCK)


def gated_pieces():
    for number in range(4):
        yield f"piece {number}\\n".encode()
        wait_at_gate()


def describe(body):
    digest = hashlib.sha256()
    size = 0
    while piece := body.read(65536):
        digest.update(piece)
        size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}
`;

const FLASK = `${COMMON}
from flask import Flask, Response, make_response, request, send_file

app = Flask(__name__)


@app.before_request
def tell():
    sys.stderr.write(f"called {request.path}\\n")
    sys.stderr.flush()


@app.post("/raw")
def raw():
    return describe(request.stream)


@app.post("/form")
def form():
    return {"name": request.form["name"], **describe(request.files["upload"].stream)}


@app.post("/json")
def json_body():
    return {"got": request.get_json()}


@app.get("/large/<int:size>")
def large(size):
    return Response(blocks(size), content_type="application/octet-stream")


@app.get("/stream")
def stream():
    return Response(gated_pieces(), content_type="text/plain")


@app.get("/file")
def file():
    return send_file(os.environ["SENT_FILE"], mimetype="application/octet-stream")


@app.get("/bake")
def bake():
    response = make_response("baked")
    response.set_cookie("odd", request.args["value"])
    return response


@app.get("/taste")
def taste():
    return dict(request.cookies)


application = app
`;

const DJANGO = `${COMMON}
import json

from django.conf import settings

settings.configure(
    SECRET_KEY="for this test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)

from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import condition


def told(view):
    def telling(request, **arguments):
        sys.stderr.write(f"called {request.path}\\n")
        sys.stderr.flush()
        return view(request, **arguments)

    return telling


def raw(request):
    return JsonResponse(describe(request))


def form(request):
    return JsonResponse({"name": request.POST["name"], **describe(request.FILES["upload"])})


def json_body(request):
    return JsonResponse({"got": json.loads(request.body)})


def large(request, size):
    return StreamingHttpResponse(blocks(size), content_type="application/octet-stream")


def stream(request):
    return StreamingHttpResponse(gated_pieces(), content_type="text/plain")


def file(request):
    return FileResponse(open(os.environ["SENT_FILE"], "rb"))


@condition(etag_func=lambda request: '"v1"')
def tagged(request):
    return HttpResponse("version 1")


def bake(request):
    response = HttpResponse("baked")
    response.set_cookie("odd", request.GET["value"])
    return response


def taste(request):
    return JsonResponse(request.COOKIES)


urlpatterns = [
    path("raw", told(raw)),
    path("form", told(form)),
    path("json", told(json_body)),
    path("large/<int:size>", told(large)),
    path("stream", told(stream)),
    path("file", told(file)),
    path("tagged", told(tagged)),
    path("bake", told(bake)),
    path("taste", told(taste)),
]
application = get_wsgi_application()
`;

const PLAIN = `${COMMON}
import io
import tempfile


def tell(text):
    sys.stderr.write(f"{text}\\n")
    sys.stderr.flush()


def unnamed_file(environ):
    file = tempfile.TemporaryFile()
    for block in blocks(${FILE_BYTES}):
        file.write(block)
    file.seek(1000)
    return environ["wsgi.file_wrapper"](file)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    tell(f"called {path}")
    headers = [("Content-Type", "application/octet-stream")]
    if path == "/hints":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload"), ("X-Note", "early")])
        environ["wsgi.early_hints"]([("Link", "</late.css>; rel=preload")])
    if path == "/unnamed-part":
        headers.append(("Content-Length", "5000"))
    if path == "/upload":
        digest = describe(environ["wsgi.input"])["sha256"]
    start_response("200 OK", headers)
    if path == "/stream":
        return gated_pieces()
    if path.startswith("/large/"):
        return blocks(int(path.split("/")[2]))
    if path.startswith("/unnamed"):
        return unnamed_file(environ)
    if path == "/in-memory":
        return environ["wsgi.file_wrapper"](io.BytesIO(BLOCK))
    return [digest.encode() if path == "/upload" else b"ok"]
`;

const applications = [
  ["Flask", FLASK],
  ["Django", DJANGO],
] as const;

/** The server with a file that its application sends. */
async function startSending(
  t: TestContext,
  application: string,
  args: readonly string[] = [],
): Promise<{ readonly server: GatedServer; readonly content: Buffer }> {
  const path = join(await temporaryFolder(t), "sent.bin");
  const content = countingBytes(FILE_BYTES);
  await writeFile(path, content);
  const server = await startGatedServer(t, ["--env", `SENT_FILE=${path}`, ...args], { application });
  return { server, content };
}

/** A client that has sent its request and reads nothing until it is told to. */
async function sendUnread(t: TestContext, port: number, target: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTeardown(t, () => void socket.destroy());
  await withDeadline(once(socket, "connect"), { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  socket.pause();
  socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return socket;
}

/** Reads the rest as fast as it comes. */
async function readAll(socket: Socket): Promise<Answer> {
  return new ClientConnection(socket.resume()).readAnswer({ deadlineMs: PROGRAM_DEADLINE_MS });
}

/** Enough for the router to have done whatever it had at hand. */
async function roundTrips(port: number, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const connection = await ClientConnection.connect(port);
    connection.send("no request\r\n\r\n");
    assert.equal((await connection.readAnswer()).status, 400);
    connection.destroy();
  }
}

function multipart(upload: Buffer): { readonly headers: Record<string, string>; readonly body: Buffer } {
  const boundary = "between-the-parts";
  const name = `--${boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\nÄnne\r\n`;
  const disposition = `Content-Disposition: form-data; name="upload"; filename="upload.bin"`;
  const head = `${name}--${boundary}\r\n${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  return {
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), upload, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

test("bodies of 100 MiB pass, and the router's memory stays flat", async (t) => {
  const server = await startGatedServer(t, [], { application: FLASK });
  const router = new RouterProcess(server);
  await request(server.port, "/taste");
  const before = router.memoryBytes.peak;
  const content = countingBytes(LARGE_BYTES);
  const expected = { bytes: LARGE_BYTES, sha256: sha256(content) };

  await t.test("an upload to Flask, read as a stream", async () => {
    const options = { method: "POST", body: content, deadlineMs: PROGRAM_DEADLINE_MS };
    assert.deepEqual(JSON.parse((await request(server.port, "/raw", options)).text), expected);
  });

  await t.test("an upload to Flask, as a file of a form", async () => {
    const options = { method: "POST", ...multipart(content), deadlineMs: PROGRAM_DEADLINE_MS };
    const answer = await request(server.port, "/form", options);
    assert.deepEqual(JSON.parse(answer.text), { name: "Änne", ...expected });
  });

  await t.test("an answer of unknown length", async () => {
    const options = { deadlineMs: PROGRAM_DEADLINE_MS };
    const answer = await request(server.port, `/large/${LARGE_BYTES}`, options);
    assert.equal(answer.headers.get("transfer-encoding"), "chunked");
    assert.equal(answer.body.length, LARGE_BYTES);
    assert.equal(sha256(answer.body), expected.sha256);
  });

  await t.test("an answer that is not read until the worker has given it", async (t) => {
    const unread = await sendUnread(t, server.port, `/large/${LARGE_BYTES}`);
    await server.waitForLine(/called \/large/, { count: 2 });
    assert.equal((await request(server.port, "/taste", { deadlineMs: PROGRAM_DEADLINE_MS })).status, 200);
    assert.equal(sha256((await readAll(unread)).body), expected.sha256);
  });

  await t.test("in memory that does not grow with them", (t) => {
    const growth = router.memoryBytes.peak - before;
    t.diagnostic(`${Math.round(before / MIB)} MiB before, ${Math.round(growth / MIB)} MiB more at the most`);
    assert(growth < MEMORY_GROWTH_LIMIT_BYTES, `It grew by ${growth} bytes`);
  });
});

for (const [framework, application] of applications) {
  test(`${framework}'s own features`, async (t) => {
    const { server, content } = await startSending(t, application);

    await t.test("a file of a form", async () => {
      const upload = content.subarray(0, 3 * MIB);
      const answer = await request(server.port, "/form", { method: "POST", ...multipart(upload) });
      const expected = { name: "Änne", bytes: upload.length, sha256: sha256(upload) };
      assert.deepEqual(JSON.parse(answer.text), expected);
    });

    for (const size of [5, 3 * MIB]) {
      await t.test(`a chunked upload of ${size} bytes`, async (t) => {
        const connection = await ClientConnection.open(t, server.port);
        connection.send("POST /raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        const upload = content.subarray(0, size);
        for (let start = 0; start < size; start += 65_537) {
          const piece = upload.subarray(start, start + 65_537);
          connection.send(`${piece.length.toString(16)}\r\n`);
          connection.send(piece);
          connection.send("\r\n");
        }
        connection.send("0\r\n\r\n");
        const { text } = await connection.readAnswer();
        assert.deepEqual(JSON.parse(text), { bytes: size, sha256: sha256(upload) });
      });
    }

    await t.test("a chunked upload of JSON", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      const head = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
      connection.send(
        `${head}Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n6\r\n:[1,2]\r\n1\r\n}\r\n0\r\n\r\n`,
      );
      assert.deepEqual(JSON.parse((await connection.readAnswer()).text), { got: { a: [1, 2] } });
    });

    await t.test("a file that it sends", async () => {
      const answer = await request(server.port, "/file");
      assert.equal(answer.headers.get("content-length"), String(FILE_BYTES));
      assert.equal(sha256(answer.body), sha256(content));
    });

    await t.test("the head alone of a file, and the connection goes on", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      const answer = await connection.request("/file", { method: "HEAD" });
      assert.deepEqual([answer.status, answer.headers.get("content-length")], [200, String(FILE_BYTES)]);
      assert.equal((await connection.request("/taste")).status, 200);
    });

    await t.test("cookies with odd characters", async () => {
      const baked = await request(server.port, `/bake?value=${encodeURIComponent(ODD_VALUE)}`);
      const cookie = /^odd=("(?:[^"\\]|\\.)*"|[^;]*)/.exec(baked.headers.get("set-cookie") ?? "")?.[0] ?? "";
      assert.notEqual(cookie, "");
      const headers = { Cookie: `first=x=y; ${cookie}; last=%C3%A9` };
      const { text } = await request(server.port, "/taste", { headers });
      assert.deepEqual(JSON.parse(text), { first: "x=y", odd: ODD_VALUE, last: "%C3%A9" });
    });

    await t.test("two Cookie fields", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      connection.send("GET /taste HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n");
      assert.deepEqual(JSON.parse((await connection.readAnswer()).text), { a: "1", b: "2" });
    });
  });
}

test("conditional requests", async (t) => {
  await t.test("Flask answers 304 and 206 for a file, and the connection goes on", async (t) => {
    const { server, content } = await startSending(t, FLASK);
    const connection = await ClientConnection.open(t, server.port);
    const whole = await connection.request("/file");
    const [etag = "", date = ""] = ["etag", "last-modified"].map((name) => whole.headers.get(name));
    assert(etag !== "" && date !== "");
    for (const headers of [{ "If-None-Match": etag }, { "If-Modified-Since": date }]) {
      const answer = await connection.request("/file", { headers });
      assert.deepEqual([answer.status, answer.headers.get("etag")], [304, etag]);
    }
    const part = await connection.request("/file", { headers: { Range: "bytes=1000-1999999" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes 1000-1999999/${FILE_BYTES}`);
    assert(part.body.equals(content.subarray(1000, 2_000_000)));
    const other = await connection.request("/file", { headers: { "If-None-Match": '"other"' } });
    assert.equal(sha256(other.body), sha256(content));
  });

  await t.test("Django answers 304, and the connection goes on", async (t) => {
    const { server } = await startSending(t, DJANGO);
    const connection = await ClientConnection.open(t, server.port);
    const headers = { "If-None-Match": '"v1"' };
    const statuses = [];
    for (const options of [{}, { headers }, { headers: { "If-None-Match": '"v0"' } }, { headers }]) {
      statuses.push((await connection.request("/tagged", options)).status);
    }
    assert.deepEqual(statuses, [200, 304, 200, 304]);
  });
});

for (const [framework, application] of [["a plain application", PLAIN], ...applications] as const) {
  test(`pieces of ${framework} arrive as they are yielded`, async (t) => {
    const server = await startGatedServer(t, [], { application });
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/stream");
    // The next piece is only yielded once the one before has arrived here.
    for (let number = 0; number < 4; number += 1) {
      await connection.readUntil(`piece ${number}\n`);
      await server.openGate();
    }
    assert.equal((await connection.readAnswer()).text, "piece 0\npiece 1\npiece 2\npiece 3\n");
  });
}

for (const [what, application, target] of [
  ["pieces of an application", PLAIN, `/large/${FILE_BYTES}`],
  ["a temporary file without a name", PLAIN, "/unnamed"],
  ["a file that Flask sends", FLASK, "/file"],
  ["a file that Django sends", DJANGO, "/file"],
] as const) {
  test(`a client that does not read ${what} holds no worker`, async (t) => {
    const { server, content } = await startSending(t, application);
    const router = new RouterProcess(server);
    const before = await router.countWithoutClients();
    const unread = await sendUnread(t, server.port, target);
    await server.waitForLine(/called \/(large|unnamed|file)/);
    const meanwhile = await request(server.port, application === PLAIN ? "/other" : "/taste");
    assert.equal(meanwhile.status, 200);
    const expected = target === "/unnamed" ? content.subarray(1000) : content;
    const { body } = await readAll(unread);
    assert.equal(body.length, expected.length);
    assert.equal(sha256(body), sha256(expected));

    await t.test("and its file is closed behind it", async () => {
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
      });
    });

    await t.test("nor does one that leaves", async (t) => {
      const leaving = await sendUnread(t, server.port, target);
      await server.waitForLine(/called \/(large|unnamed|file)/, { count: 2 });
      leaving.destroy();
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
      });
      assert.equal((await request(server.port, "/taste")).status, 200);
    });
  });
}

test("wsgi.file_wrapper sends no more than Content-Length, and what is no file", async (t) => {
  const { server, content } = await startSending(t, PLAIN);
  const connection = await ClientConnection.open(t, server.port);
  const part = await connection.request("/unnamed-part");
  assert(part.body.equals(content.subarray(1000, 6000)));
  assert.equal((await connection.request("/in-memory")).body.length, 65_536);
  assert.equal((await connection.request("/other")).text, "ok");
});

test("with --buffer-disk 0 a worker waits for its slow client, and takes no memory for it", async (t) => {
  const { server } = await startSending(t, PLAIN, ["--buffer-disk", "0"]);
  const router = new RouterProcess(server);
  await request(server.port, "/other");
  const before = router.memoryBytes.peak;
  const unread = await sendUnread(t, server.port, `/large/${LARGE_BYTES}`);
  await server.waitForLine(/called \/large/);
  const waiting = await ClientConnection.open(t, server.port);
  waiting.sendRequest("/waits");
  await roundTrips(server.port, 100);
  assert.equal(waiting.waitingBytes, 0);
  assert(!server.calledPaths().includes("/waits"));
  assert(router.memoryBytes.peak - before < MEMORY_GROWTH_LIMIT_BYTES);

  assert.equal(sha256((await readAll(unread)).body), sha256(countingBytes(LARGE_BYTES)));
  assert.equal((await waiting.readAnswer()).text, "ok");
});

test("wsgi.early_hints", async (t) => {
  const server = await startGatedServer(t, [], { application: PLAIN });

  await t.test("gives HTTP/1.1 a 103 for each call", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/hints");
    const early = await connection.readAnswer();
    assert.deepEqual([early.status, early.reason], [103, "Early Hints"]);
    assert.deepEqual(
      [...early.headers],
      [
        ["link", "</style.css>; rel=preload"],
        ["x-note", "early"],
      ],
    );
    const second = await connection.readAnswer();
    assert.deepEqual([second.status, second.headers.get("link")], [103, "</late.css>; rel=preload"]);
    const final = await connection.readAnswer();
    assert.deepEqual([final.status, final.text, final.headers.has("link")], [200, "ok", false]);
    assert.equal((await connection.request("/other")).text, "ok");
  });

  await t.test("gives HTTP/1.0 nothing", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send("GET /hints HTTP/1.0\r\n\r\n");
    const answer = await connection.readAnswer();
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    await connection.readEnd();
    assert.equal(connection.waitingBytes, 0);
  });
});

/** A file system of so many bytes, if this user may mount one. */
async function mountSmall(t: TestContext, bytes: number): Promise<string | undefined> {
  const folder = await temporaryFolder(t);
  const options = ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder];
  if (process.platform !== "linux" || spawnSync("mount", options).status !== 0) return undefined;
  onTeardown(t, () => assert.equal(spawnSync("umount", [folder]).status, 0, `Cannot unmount ${folder}`));
  return folder;
}

test("when the disk is full", async (t) => {
  const folder = await mountSmall(t, 8 * MIB);
  if (folder === undefined) {
    t.skip("only root may mount the small file system that this fills");
    return;
  }
  const server = await startGatedServer(t, ["--worker-tmp-dir", folder], { application: PLAIN });
  const router = new RouterProcess(server);
  const before = await router.countWithoutClients();

  await t.test(
    "an upload gets 507 or is cut off, the log says why, and no application is called",
    async () => {
      const upload = { method: "POST", body: countingBytes(FILE_BYTES) };
      const outcome = await request(server.port, "/upload", upload).catch((failure: unknown) => failure);
      if (outcome instanceof ConnectionCut) assert.equal(outcome.received.length, 0);
      else assert.equal((outcome as Answer).status, 507);
      await server.waitForLine(/\[ERROR\] Cannot store the body of POST \/upload: .*ENOSPC/);
      assert(!server.calledPaths().includes("/upload"));
    },
  );

  await t.test("an answer to a client that does not read is cut off, and the log says why", async (t) => {
    const unread = await sendUnread(t, server.port, `/large/${LARGE_BYTES}`);
    await server.waitForLine(/\[ERROR\] Cannot store the response to GET \/large\/\d+: .*ENOSPC/);
    await assert.rejects(readAll(unread), ConnectionCut);
  });

  await t.test("the server goes on, and there is room again", async () => {
    const body = countingBytes(4 * MIB);
    const answer = await request(server.port, "/upload", { method: "POST", body });
    assert.equal(answer.text, sha256(body));
    await untilTrue(() => router.descriptors === before, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
    });
    assert.equal(server.bootedPids.length, 1);
  });
});
