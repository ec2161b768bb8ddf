import type { Server } from "../servers/server.ts";
import { DJANGO_PAGE, FLASK_PAGE, HELLO, JSON_ITEM, MEBIBYTE } from "./answers.ts";
import type { LoadShape, Work, WorkRequest } from "./work.ts";

const CLOSED: LoadShape = { type: "closed" };
const USUAL = { load: CLOSED, figure: "requestsPerSecond", measuresOneClient: false } as const;

/** For what takes longer than hello over connections that stay. */
const LONG_WARM_UP = { warmUpSeconds: 3 } as const;

export const HELLO_REQUEST: WorkRequest = get("/", "text/plain", HELLO);
const SLOW_REQUEST: WorkRequest = get("/slow", "text/plain", HELLO);

/** In the order of the tables. Each names its default servers: all that a reader would weigh for that work. */
export const WORKS: readonly Work[] = [
  {
    ...USUAL,
    name: "hello",
    title: "hello: 13 bytes of text/plain",
    apps: { wsgi: "hello:app", raw: "hello" },
    request: HELLO_REQUEST,
    measuresOneClient: true,
    lineUp: names(`
      tunicorn tunicorn-gthread tunicorn-gevent gunicorn gunicorn-fast gunicorn-gthread gunicorn-gevent
      granian uwsgi waitress bjoern node-http node-net loop`),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "flask",
    title: "flask: one route with a converter, JSON answer",
    apps: { wsgi: "flask_json:app" },
    request: get("/items/7", "application/json", `${JSON_ITEM}\n`),
    measuresOneClient: true,
    lineUp: names("tunicorn gunicorn gunicorn-fast granian uwsgi bjoern loop"),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "flask-page",
    title: "flask-page: a Jinja template with twenty rows",
    apps: { wsgi: "flask_page:app" },
    request: get("/catalogue", "text/html; charset=utf-8", FLASK_PAGE),
    lineUp: names("tunicorn gunicorn granian uwsgi"),
  },
  {
    ...USUAL,
    warmUpSeconds: 5,
    name: "django",
    title: "django: a page with an ORM query on SQLite",
    apps: { wsgi: "django_page:app" },
    request: get("/dearest", "text/html; charset=utf-8", DJANGO_PAGE),
    needsDatabase: true,
    lineUp: names("tunicorn gunicorn granian uwsgi bjoern loop"),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "fastapi",
    title: "fastapi: one route with a converter and a model, JSON answer",
    apps: { asgi: "fastapi_json:app" },
    request: get("/items/7", "application/json", JSON_ITEM),
    lineUp: names("tunicorn-asgi gunicorn-uvicorn gunicorn-asgi uvicorn granian-asgi loop-asgi"),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "response",
    title: "response: 1 MiB",
    apps: { wsgi: "mebibyte:app" },
    request: get("/", "application/octet-stream", MEBIBYTE),
    lineUp: names("tunicorn gunicorn granian uwsgi bjoern"),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "upload",
    title: "upload: 1 MiB, which the application compares",
    apps: { wsgi: "mebibyte:app" },
    request: {
      method: "POST",
      path: "/",
      headers: ["Content-Type: application/octet-stream"],
      body: MEBIBYTE,
      answer: { contentType: "text/plain", body: Buffer.from("as sent") },
    },
    lineUp: names("tunicorn gunicorn granian uwsgi"),
  },
  {
    ...USUAL,
    name: "sleep",
    title: "sleep: 100 ms in every request, 200 connections",
    apps: { wsgi: "sleeping:app", asgi: "sleeping_asgi:app" },
    request: HELLO_REQUEST,
    connections: 200,
    leastSeconds: 2,
    threads: 100,
    lineUp: names(`
      tunicorn-gthread tunicorn-gevent tunicorn-asgi gunicorn-gthread gunicorn-gevent uvicorn uwsgi-threads`),
  },
  {
    ...USUAL,
    name: "mixed",
    title: "mixed: 50 ms in 5 % of the requests",
    apps: { wsgi: "mixed:app" },
    request: HELLO_REQUEST,
    load: { type: "mixed", share: 0.05, slow: SLOW_REQUEST },
    leastSeconds: 3,
    figure: "p99Ms",
    lineUp: names("tunicorn tunicorn-gthread gunicorn gunicorn-gthread granian uwsgi uwsgi-threads"),
  },
  {
    ...USUAL,
    ...LONG_WARM_UP,
    name: "connect",
    title: "connect: hello on a new connection for each request",
    apps: { wsgi: "hello:app", raw: "hello" },
    request: { ...HELLO_REQUEST, headers: ["Connection: close"] },
    lineUp: names("tunicorn gunicorn granian uwsgi node-http"),
  },
  {
    ...USUAL,
    name: "slow-clients",
    title: "slow-clients: hello for one client beside 300 that send a byte a second",
    apps: { wsgi: "hello:app" },
    request: HELLO_REQUEST,
    load: { type: "slow-clients", clients: 300 },
    leastSeconds: 2,
    connections: 1,
    lineUp: names("tunicorn gunicorn gunicorn-gthread gunicorn-gevent granian uwsgi waitress"),
  },
];

export function appFor(work: Work, server: Server): string | undefined {
  return work.apps[server.speaks];
}

function get(path: string, contentType: string, body: string | Buffer): WorkRequest {
  return { method: "GET", path, headers: [], answer: { contentType, body: Buffer.from(body) } };
}

function names(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
