import assert from "node:assert/strict";

import { makeRouterSettings } from "../../src/arbiter/router-settings.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import { fieldNameOf } from "../../src/http/field-name.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import type { Client } from "../../src/router/client.ts";
import { cookEnviron } from "../../src/router/environ.ts";
import type { InheritedListener, RouterSettings } from "../../src/router/messages.ts";

const defaults: RouterSettings = makeRouterSettings(resolveSettings([]), {});

const tcpListener: InheritedListener = {
  id: 4,
  url: "http://127.0.0.1:8000",
  serverName: "127.0.0.1",
  serverPort: "8000",
  backlog: 16,
};

export const unixListener: InheritedListener = {
  ...tcpListener,
  url: "unix:/s",
  serverName: null,
  serverPort: null,
};

export interface Cooked {
  readonly fields?: readonly (readonly [string, string])[];
  readonly head?: Partial<RequestHead>;
  readonly client?: Partial<Client>;
  readonly settings?: Partial<RouterSettings>;
  readonly bodyBytes?: number | null;
}

/** The text that a worker is given for a request for `/`. */
export function cookText({
  fields = [],
  head = {},
  client = {},
  settings = {},
  bodyBytes = null,
}: Cooked): string {
  const wholeHead: RequestHead = {
    method: "GET",
    target: head.path ?? "/",
    path: "/",
    query: "",
    version: "HTTP/1.1",
    names: fields.map(([name]) => fieldNameOf(name)),
    values: fields.map(([, value]) => value),
    host: "a.test",
    framing: { type: "none" },
    keepAlive: true,
    expectsContinue: false,
    protocol: "HTTP/1.1",
    variables: null,
    ...head,
  };
  const wholeClient: Client = {
    address: "192.0.2.7",
    port: "50123",
    isTrusted: false,
    scheme: "http",
    extraEnviron: "",
    listener: tcpListener,
    ...client,
  };
  return cookEnviron({
    head: wholeHead,
    client: wholeClient,
    settings: { ...defaults, ...settings },
    bodyBytes,
  });
}

/** The environ as a worker reads it: an even number of texts, no name twice. */
export function cook(request: Cooked): ReadonlyMap<string, string> {
  const parts = cookText(request).split("\0");
  assert.equal(parts.length % 2, 0);
  const environ = new Map<string, string>();
  for (let index = 0; index < parts.length; index += 2) {
    const name = parts[index] ?? "";
    assert.ok(!environ.has(name), `${name} stands there twice`);
    environ.set(name, parts[index + 1] ?? "");
  }
  return environ;
}
