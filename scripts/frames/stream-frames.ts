import { hex } from "../octets.ts";
import type { RecordedFrame } from "./recorded-frame.ts";

/** Windows, and what belongs to WebSockets. */
export const streamFrames: readonly RecordedFrame[] = [
  {
    name: "window-to-worker",
    octets: [hex("04000000 30 00 0000 0b000000"), hex("00000100")],
    fields: { type: "window", direction: "to-worker", flags: [], aux: 0, stream: 11, bytes: 65536 },
  },
  {
    name: "window-to-router",
    octets: [hex("04000000 30 00 0000 0b000000"), hex("ffffffff")],
    fields: { type: "window", direction: "to-router", flags: [], aux: 0, stream: 11, bytes: 4294967295 },
  },
  {
    name: "accept",
    octets: [hex("11000000 40 00 0000 0d000000"), hex("04000000"), "chat", "X-A: b\xe9\r\n"],
    fields: {
      type: "accept",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 13,
      subprotocol: "chat",
      fieldLines: "X-A: b\xe9\r\n",
    },
  },
  {
    name: "accept-without-subprotocol",
    octets: [hex("04000000 40 00 0000 0e000000"), hex("00000000")],
    fields: {
      type: "accept",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 14,
      subprotocol: "",
      fieldLines: "",
    },
  },
  {
    name: "accept-hears-control",
    octets: [hex("04000000 40 00 0100 0f000000"), hex("00000000")],
    fields: {
      type: "accept",
      direction: "to-router",
      flags: [],
      aux: 1,
      stream: 15,
      subprotocol: "",
      fieldLines: "",
    },
  },
  {
    name: "control-to-router",
    octets: [hex("03000000 43 00 0900 0f000000"), hex("00 80 ff")],
    fields: {
      type: "control",
      direction: "to-router",
      flags: [],
      aux: 9,
      stream: 15,
      body: "\x00\x80\xff",
    },
  },
  {
    name: "control-to-worker",
    octets: [hex("02000000 43 00 0a00 0f000000"), "hi"],
    fields: { type: "control", direction: "to-worker", flags: [], aux: 10, stream: 15, body: "hi" },
  },
  {
    name: "message-text-to-worker",
    octets: [hex("03000000 41 41 0000 0d000000"), hex("e2 82 ac")],
    fields: {
      type: "message",
      direction: "to-worker",
      flags: ["end", "text"],
      aux: 0,
      stream: 13,
      body: "\xe2\x82\xac",
    },
  },
  {
    name: "message-part-to-router",
    octets: [hex("02000000 41 00 0000 0d000000"), hex("00 ff")],
    fields: {
      type: "message",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 13,
      body: "\x00\xff",
    },
  },
  {
    name: "message-empty-to-router",
    octets: [hex("00000000 41 41 0000 0d000000")],
    fields: { type: "message", direction: "to-router", flags: ["end", "text"], aux: 0, stream: 13, body: "" },
  },
  {
    name: "close-to-worker",
    octets: [hex("04000000 42 00 f403 0d000000"), "bye", "\x7f"],
    fields: { type: "close", direction: "to-worker", flags: [], aux: 1012, stream: 13, reason: "bye\x7f" },
  },
  {
    name: "close-to-router",
    octets: [hex("03000000 42 00 a00f 0d000000"), hex("e2 82 ac")],
    fields: { type: "close", direction: "to-router", flags: [], aux: 4000, stream: 13, reason: "\u20ac" },
  },
];
