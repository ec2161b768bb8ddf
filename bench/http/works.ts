import type { Server } from "./servers.ts";

/** What an application is written against; a server takes part in the works that have one it speaks. */
export type Interface = "wsgi" | "raw";

export interface Work {
  readonly name: string;
  readonly title: string;
  /** By interface, the application to serve, as named on the server's command line. */
  readonly apps: Readonly<Partial<Record<Interface, string>>>;
  readonly path: string;
  /** Compared with the real answer before any load. */
  readonly answer: { readonly contentType: string; readonly body: string };
}

export const WORKS: readonly Work[] = [
  {
    name: "hello",
    title: "hello: 13 bytes of text/plain",
    apps: { wsgi: "hello:app", raw: "hello" },
    path: "/",
    answer: { contentType: "text/plain", body: "Hello, World!" },
  },
  {
    name: "flask",
    title: "flask: one route with a converter, JSON answer",
    apps: { wsgi: "flask_json:app" },
    path: "/items/7",
    answer: {
      contentType: "application/json",
      body: '{"id":7,"message":"Hello, World!","tags":["a","b","c"]}\n',
    },
  },
];

export function appFor(work: Work, server: Server): string | undefined {
  return work.apps[server.speaks];
}
