import type { Metric } from "../report/sample.ts";

/** What an application is written against; a server takes part in the works that have one it speaks. */
export type Interface = "wsgi" | "asgi" | "raw";

export interface Answer {
  readonly contentType: string;
  readonly body: Buffer;
}

export interface WorkRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: readonly string[];
  readonly body?: Buffer;
  /** What every answer is compared with. */
  readonly answer: Answer;
}

/** How requests come; what `wrk` cannot do is done by the generator here, for all servers alike. */
export type LoadShape =
  /** Every connection sends its next request as soon as it has an answer. */
  | { readonly type: "closed" }
  /** As closed, and `share` of the requests are another, slow one: every latency stands by itself. */
  | { readonly type: "mixed"; readonly share: number; readonly slow: WorkRequest }
  /** One client in a closed loop, while `clients` others send a request a byte at a time. */
  | { readonly type: "slow-clients"; readonly clients: number };

export interface Work {
  readonly name: string;
  readonly title: string;
  /** By interface, the application to serve, as named on the server's command line. */
  readonly apps: Readonly<Partial<Record<Interface, string>>>;
  readonly request: WorkRequest;
  readonly load: LoadShape;
  /** What the work is about: the metric of the summary and of the chart. */
  readonly figure: Metric;
  /** Instead of what the options say. */
  readonly connections?: number;
  /** For each worker, of the servers that have threads. */
  readonly threads?: number;
  /** Where a second has too few requests to know their 99th percentile. */
  readonly leastSeconds?: number;
  /** Where the usual warm-up has too few requests: what compiles while it runs wants some ten thousand. */
  readonly warmUpSeconds?: number;
  /** Whether the latency of a single client is measured too. */
  readonly measuresOneClient: boolean;
  /** Whether the application reads the database that `django_page.py` makes. */
  readonly needsDatabase?: boolean;
  /** The servers that take part unless others are asked for. */
  readonly lineUp: readonly string[];
}
