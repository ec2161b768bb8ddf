import { hex } from "../octets.ts";
import type { RecordedFrame } from "./recorded-frame.ts";

/** What worker and router say of the worker itself, and of a request without more. */
export const workerFrames: readonly RecordedFrame[] = [
  {
    name: "hello",
    octets: [
      hex("5f000000 01 00 0000 00000000"),
      '{"version": 1, "pid": 4194304, "worker": 12, "generation": 345, "isPulling": true, "thread": 3}',
    ],
    fields: {
      type: "hello",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 0,
      hello: { version: 1, pid: 4194304, worker: 12, generation: 345, isPulling: true, thread: 3 },
    },
  },
  {
    name: "hello-multiplexing",
    octets: [
      hex("97000000 01 00 0000 00000000"),
      '{"version": 1, "pid": 4194304, "worker": 13, "generation": 345, "isPulling": false, "thread": 0, ',
      '"multiplexing": {"credit": 1000, "interface": "asgi"}}',
    ],
    fields: {
      type: "hello",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 0,
      hello: {
        version: 1,
        pid: 4194304,
        worker: 13,
        generation: 345,
        isPulling: false,
        thread: 0,
        multiplexing: { credit: 1000, interface: "asgi" },
      },
    },
  },
  {
    name: "ready",
    octets: [hex("00000000 02 00 0000 00000000")],
    fields: { type: "ready", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "ready-last",
    octets: [hex("00000000 02 04 0000 00000000")],
    fields: { type: "ready", direction: "to-router", flags: ["last"], aux: 0, stream: 0 },
  },
  {
    name: "leaving",
    octets: [hex("00000000 03 00 0000 00000000")],
    fields: { type: "leaving", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "drain",
    octets: [hex("00000000 04 00 0000 00000000")],
    fields: { type: "drain", direction: "to-worker", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "pull",
    octets: [hex("04000000 05 00 0000 00000000"), hex("fe ca 0f 0e")],
    fields: {
      type: "pull",
      direction: "to-worker",
      flags: [],
      aux: 0,
      stream: 0,
      epoch: 0xcafe,
      claim: 3599,
    },
  },
  {
    name: "fetch",
    octets: [hex("00000000 25 00 0000 0102ff03")],
    fields: { type: "fetch", direction: "to-router", flags: [], aux: 0, stream: 0x03_ff_02_01 },
  },
  {
    name: "ping",
    octets: [hex("00000000 31 00 0000 00000000")],
    fields: { type: "ping", direction: "to-worker", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "pong",
    octets: [hex("00000000 32 00 0000 00000000")],
    fields: { type: "pong", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "cancel",
    octets: [hex("00000000 11 00 0000 07000000")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 0, stream: 7 },
  },
  {
    name: "cancel-largest-stream",
    octets: [hex("00000000 11 00 0000 ffffffff")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 0, stream: 4294967295 },
  },
  {
    name: "cancel-half",
    octets: [hex("00000000 11 00 0100 09000000")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 1, stream: 9 },
  },
  {
    name: "file-answer-taken",
    octets: [hex("00000000 12 00 0100 08000000")],
    fields: { type: "file-answer", direction: "to-worker", flags: [], aux: 1, stream: 8 },
  },
  {
    name: "file-answer-refused",
    octets: [hex("00000000 12 00 0000 09000000")],
    fields: { type: "file-answer", direction: "to-worker", flags: [], aux: 0, stream: 9 },
  },
  {
    name: "lent",
    octets: [hex("13000000 14 00 0100 0a000000"), "HTTP/1.1 200 OK\r\n\r\n"],
    fields: {
      type: "lent",
      direction: "to-worker",
      flags: [],
      aux: 1,
      stream: 10,
      head: "HTTP/1.1 200 OK\r\n\r\n",
    },
  },
  {
    name: "lent-refused",
    octets: [hex("00000000 14 00 0000 0b000000")],
    fields: { type: "lent", direction: "to-worker", flags: [], aux: 0, stream: 11, head: null },
  },
  {
    name: "dial",
    octets: [hex("0e000000 07 00 0000 00000000"), "/run/t/lend-71"],
    fields: {
      type: "dial",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 0,
      path: "/run/t/lend-71",
    },
  },
  {
    name: "join",
    octets: [hex("00000000 06 00 0000 0d0c0b0a")],
    fields: { type: "join", direction: "to-router", flags: [], aux: 0, stream: 0x0a_0b_0c_0d },
  },
  {
    name: "tunnel",
    octets: [hex("00000000 28 00 0000 0e000000")],
    fields: { type: "tunnel", direction: "to-router", flags: [], aux: 0, stream: 14 },
  },
  {
    name: "tunnel-timed",
    octets: [hex("00000000 28 00 0100 0f000000")],
    fields: { type: "tunnel", direction: "to-router", flags: [], aux: 1, stream: 15 },
  },
];
