import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import {
  fixtureApps,
  LOOPBACK,
  python,
  runCommand,
  startFixture,
  startServer,
  type Server,
} from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";
import { clientCertificate, openTls, openTlsSocket, readTlsFile, tlsFile } from "../helpers/tls.ts";
import { WebSocketClient } from "../helpers/websocket-client.ts";

const MIB = 1024 * 1024;
const CERTIFICATE = ["--certfile", tlsFile("server.pem"), "--keyfile", tlsFile("server.key")];

/** The serial number of the certificate that the server shows on a new connection. */
async function serialNumber(t: TestContext, { port }: Server): Promise<string> {
  const socket = await openTlsSocket(t, port);
  const { serialNumber: number } = socket.getPeerCertificate();
  socket.destroy();
  return number;
}

/** Reads everything with Python's ssl, which raises when the server ends without a goodbye, as for an attack. */
const STRICT_READER = `
import socket, ssl, sys
port, authority, target = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=authority)
client = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname="localhost", suppress_ragged_eofs=False)
client.sendall(f"GET {target} HTTP/1.0\\r\\n\\r\\n".encode())
count = 0
while data := client.recv(65536):
    count += len(data)
print(count)
`;

test("a server with a certificate", async (t) => {
  const server = await startFixture(t, "echo:application", {
    args: [...CERTIFICATE, "--access-logfile", "-", "--header-timeout", "1"],
  });

  await t.test("says https in the line that names its addresses", () => {
    assert.match(server.addresses[0] ?? "", /^https:\/\/127\.0\.0\.1:[1-9]\d*$/);
  });

  await t.test(
    "answers one request after another on a connection, and the application sees https",
    async (t) => {
      const client = await openTls(t, server.port);
      for (const path of ["/first", "/second"]) {
        const echo = parseEcho(await client.request(path));
        assert.deepEqual([echo.path, echo.scheme, echo.client], [path, "https", "127.0.0.1"]);
      }
      await server.waitForLine(/"GET \/second HTTP\/1\.1" 200/);
    },
  );

  await t.test("takes bodies of all sizes, also in chunks, and pipelined requests", async (t) => {
    const client = await openTls(t, server.port);
    for (const size of [1, 100_000, 5 * MIB]) {
      const body = countingBytes(size);
      assert.equal(parseEcho(await client.request("/", { method: "POST", body })).body_sha256, sha256(body));
    }
    client.send("POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.sendChunks(countingBytes(300_000), 1000);
    client.sendRequest("/behind");
    assert.equal(parseEcho(await client.readAnswer()).body_sha256, sha256(countingBytes(300_000)));
    assert.equal(parseEcho(await client.readAnswer()).path, "/behind");
  });

  await t.test(
    "refuses plain HTTP, versions of TLS that are too old, and what is no TLS, and says so",
    async (t) => {
      const plain = await ClientConnection.open(t, server.port);
      plain.sendRequest("/");
      await plain.readEnd();
      await server.waitForLine(
        /No TLS connection with ip=127\.0\.0\.1: it speaks plain HTTP, want https:\/\//,
      );
      const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
      await assert.rejects(openTlsSocket(t, server.port, old));
      await server.waitForLine(/No TLS connection with ip=127\.0\.0\.1: unsupported protocol/);
      const noise = await ClientConnection.open(t, server.port);
      noise.send(Buffer.alloc(100, 0xff));
      await noise.readEnd();
      await server.waitForLine(
        /No TLS connection with ip=127\.0\.0\.1: (wrong version|packet length|.*record)/,
      );
    },
  );

  await t.test("closes a connection whose handshake does not come within header_timeout", async (t) => {
    const silent = await ClientConnection.open(t, server.port);
    await silent.readEnd();
  });

  await t.test("leaves no descriptor open of any of these connections", async () => {
    const router = new RouterProcess(server);
    // What an idle router of this server has is known only now: all of them are at their end, or will be.
    const client = await openTls(t, server.port);
    await client.request("/");
    const count = router.descriptors;
    client.destroy();
    await untilTrue(() => router.descriptors < count, { deadlineMs: ANSWER_DEADLINE_MS, what: "one less" });
  });
});

test("TLS carries large responses, also to a client that reads slowly, and a goodbye ends those without a length", async (t) => {
  const folder = await temporaryFolder(t, { "reader.py": STRICT_READER });
  const server = await startFixture(t, "big:application", {
    args: [...CERTIFICATE, "--write-timeout", "60"],
  });
  const slow = await openTls(t, server.port);
  slow.stopReading();
  slow.sendRequest(`/?n=${30 * MIB}`);
  const quick = await openTls(t, server.port);
  for (const size of [1, 100_000, 8 * MIB]) {
    const { body } = await quick.request(`/?n=${size}`);
    assert.ok(body.equals(countingBytes(size)), `${size} bytes`);
  }
  slow.goOnReading();
  assert.equal((await slow.readAnswer({ deadlineMs: 3 * ANSWER_DEADLINE_MS })).body.length, 30 * MIB);
  const args = [join(folder, "reader.py"), String(server.port), tlsFile("authority.pem"), "/?n=300000"];
  const { status, stdout, stderr } = await runProgram(t, python, args);
  assert.equal(status, 0, stderr);
  assert.ok(Number(stdout) > 300_000, stdout);
});

test("a response over TLS that is cut has no goodbye at its end, so that its client sees an error", async (t) => {
  const folder = await temporaryFolder(t, { "reader.py": STRICT_READER });
  const server = await startFixture(t, "raise_late:application", { args: CERTIFICATE });
  const args = [join(folder, "reader.py"), String(server.port), tlsFile("authority.pem"), "/"];
  const { status, stderr } = await runProgram(t, python, args);
  assert.equal(status, 1);
  assert.match(stderr, /SSLEOFError|ConnectionResetError/);
});

test("a client that takes nothing of its response over TLS is cut off after write_timeout", async (t) => {
  const server = await startFixture(t, "big:application", {
    args: [...CERTIFICATE, "--write-timeout", "1", "--access-logfile", "-"],
  });
  const client = await openTls(t, server.port);
  client.stopReading();
  client.sendRequest(`/?n=${30 * MIB}`);
  await server.waitForLine(/"GET \/\?n=31457280 HTTP\/1\.1" 200/);
});

test("an asgi worker serves https and wss", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: ["-k", "asgi", ...CERTIFICATE] });
  const client = await WebSocketClient.open(t, server.port, "/told", {
    scheme: "wss",
    ca: readTlsFile("authority.pem"),
    perMessageDeflate: true,
  });
  const scope = JSON.parse((await client.receive()) as string) as { scheme?: string };
  assert.equal(scope.scheme, "wss");
  const echo = await WebSocketClient.open(t, server.port, "/echo", {
    scheme: "wss",
    ca: readTlsFile("authority.pem"),
  });
  for (const size of [1, 70_000, MIB]) {
    echo.send(countingBytes(size));
    assert.ok(countingBytes(size).equals((await echo.receive()) as Buffer), `${size} bytes`);
  }
});

test("a WSGI application's own WebSocket goes through TLS, as long as it lasts", async (t) => {
  const args = ["--threads", "2", ...CERTIFICATE];
  const server = await startFixture(t, "flask_sock_app:app", { args });
  const wss = { scheme: "wss", ca: readTlsFile("authority.pem") } as const;
  const client = await WebSocketClient.open(t, server.port, "/echo", wss);
  for (const text of ["hello", "x".repeat(300_000)]) {
    client.send(text);
    assert.ok((await client.receive()) === text);
  }
  client.send("stop");
  assert.equal((await client.closed).code, 1000);
});

test("certificates of clients", async (t) => {
  const args = [...CERTIFICATE, "--ca-certs", tlsFile("authority.pem"), "--cert-reqs"];

  await t.test("are demanded by --cert-reqs 2, and must be signed by ca_certs", async (t) => {
    const server = await startFixture(t, "echo:application", { args: [...args, "2"] });
    const known = await openTls(t, server.port, clientCertificate("client"));
    assert.equal((await known.request("/")).status, 200);
    const none = await openTls(t, server.port);
    none.sendRequest("/");
    await none.readEnd();
    await server.waitForLine(/No TLS connection with ip=\S+: it has no certificate, and cert_reqs wants one/);
    const foreign = await openTls(t, server.port, clientCertificate("foreign"));
    foreign.sendRequest("/");
    await foreign.readEnd();
    assert.equal(foreign.waitingBytes, 0);
    await server.waitForLine(/its certificate is refused \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/);
  });

  await t.test("may be left out with --cert-reqs 1, but not be bad", async (t) => {
    const server = await startFixture(t, "echo:application", { args: [...args, "1"] });
    for (const options of [{}, clientCertificate("client")]) {
      const client = await openTls(t, server.port, options);
      assert.equal((await client.request("/")).status, 200);
    }
    const foreign = await openTls(t, server.port, clientCertificate("foreign"));
    foreign.sendRequest("/");
    await foreign.readEnd();
    assert.equal(foreign.waitingBytes, 0);
  });
});

test("HUP reads a renewed certificate, and gives a broken one up", async (t) => {
  const folder = await temporaryFolder(t);
  const install = async (name: string): Promise<void> => {
    await copyFile(tlsFile(`${name}.pem`), join(folder, "fullchain.pem"));
    await copyFile(tlsFile(`${name}.key`), join(folder, "privkey.pem"));
  };
  await install("server");
  await writeFiles(folder, { "gunicorn.conf.py": 'certfile = "fullchain.pem"\nkeyfile = "privkey.pem"\n' });
  const server = await startServer(t, {
    cwd: folder,
    args: [...LOOPBACK, "--pythonpath", fixtureApps, "echo:application"],
  });
  const before = await serialNumber(t, server);
  const kept = await openTls(t, server.port);
  assert.equal((await kept.request("/")).status, 200);
  await install("renewed");
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /);
  const renewed = await serialNumber(t, server);
  assert.notEqual(renewed, before);
  assert.equal((await kept.request("/")).status, 200);

  await copyFile(tlsFile("server.key"), join(folder, "privkey.pem"));
  server.signal("SIGHUP");
  await server.waitForLine(/The reload failed, .* The key in \S+privkey\.pem does not belong to/);
  assert.equal(await serialNumber(t, server), renewed);
});

test("a TLS session that was begun at one router goes on at another", async (t) => {
  const server = await startFixture(t, "pid", { args: [...CERTIFICATE, "--routers", "3"] });
  const first = await openTlsSocket(t, server.port, { maxVersion: "TLSv1.2" });
  const session = first.getSession();
  assert.ok(session !== undefined);
  first.destroy();
  for (let count = 0; count < 12; count += 1) {
    const next = await openTlsSocket(t, server.port, { maxVersion: "TLSv1.2", session });
    assert.ok(next.isSessionReused(), `connection ${count}`);
    next.destroy();
  }
});

test("ciphers says what is spoken with TLS 1.2, and what Gunicorn's other settings of TLS say is accepted", async (t) => {
  const cipher = "ECDHE-RSA-AES128-GCM-SHA256";
  const vain = ["--ssl-version", "5", "--do-handshake-on-connect", "--suppress-ragged-eofs"];
  const server = await startFixture(t, "pid", { args: [...CERTIFICATE, "--ciphers", cipher, ...vain] });
  const older = await openTlsSocket(t, server.port, { maxVersion: "TLSv1.2" });
  assert.equal(older.getCipher().name, cipher);
  const newer = await openTlsSocket(t, server.port);
  assert.equal(newer.getProtocol(), "TLSv1.3");
});

const HOOK = `
import ssl

certfile = ${JSON.stringify(tlsFile("server.pem"))}
keyfile = ${JSON.stringify(tlsFile("server.key"))}


def ssl_context(config, default_ssl_context_factory):
    assert config.is_ssl and config.ssl_options["keyfile"] == keyfile
    context = default_ssl_context_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
`;

test("the hook ssl_context decides what TLS is spoken", async (t) => {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": HOOK });
  const args = [...LOOPBACK, "--pythonpath", fixtureApps, "echo:application"];
  const server = await startServer(t, { cwd: folder, args });
  const socket = await openTlsSocket(t, server.port);
  assert.equal(socket.getProtocol(), "TLSv1.3");
  await assert.rejects(openTlsSocket(t, server.port, { maxVersion: "TLSv1.2" }));

  await t.test("and fails a reload when it raises", async () => {
    await writeFiles(folder, {
      "gunicorn.conf.py": `${HOOK}    raise LookupError("no context")\n`.replace("    return context\n", ""),
    });
    server.signal("SIGHUP");
    await server.waitForLine(/The reload failed, .*The hook ssl_context raised/);
    await server.waitForLine(/LookupError: no context/);
  });
});

const faults: readonly { readonly what: string; readonly args: readonly string[]; readonly says: RegExp }[] =
  [
    {
      what: "a file that does not exist",
      args: ["--certfile", "missing.pem"],
      says: /certfile from the command line: "\S*missing\.pem", want a file that exists/,
    },
    {
      what: "a key without a certificate",
      args: ["--keyfile", tlsFile("server.key")],
      says: /keyfile is \S+server\.key, but there is no certfile/,
    },
    {
      what: "a certificate without a key",
      args: ["--certfile", tlsFile("server.pem")],
      says: /server\.pem has no private key that can be read\n.*Name the file with the key: --keyfile FILE/,
    },
    {
      what: "the key of another certificate",
      args: ["--certfile", tlsFile("server.pem"), "--keyfile", tlsFile("renewed.key")],
      says: /The key in \S+renewed\.key does not belong to the first certificate in \S+server\.pem/,
    },
    {
      what: "a key with a password",
      args: ["--certfile", tlsFile("server.pem"), "--keyfile", tlsFile("encrypted.key")],
      says: /encrypted\.key has no private key .*\n.*It is encrypted, .* openssl pkey -in/,
    },
    {
      what: "ciphers that do not exist",
      args: [...CERTIFICATE, "--ciphers", "NONSENSE"],
      says: /OpenSSL knows none of the ciphers "NONSENSE"/,
    },
  ];

for (const { what, args, says } of faults) {
  test(`${what} ends the start with status 1 and says what to do`, async (t) => {
    const { status, stderr } = await runCommand(t, { args: [...args, "echo:application"], cwd: fixtureApps });
    assert.equal(status, 1, stderr);
    assert.match(stderr, says);
  });
}

test("a certificate whose file has the key too needs no keyfile", async (t) => {
  const server = await startFixture(t, "echo:application", { args: ["--certfile", tlsFile("both.pem")] });
  const client = await openTls(t, server.port);
  assert.equal(parseEcho(await client.request("/")).scheme, "https");
});
