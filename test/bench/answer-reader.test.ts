import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader } from "../../bench/http/load/answer-reader.ts";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

function readAll(text: string, pieceLength: number, expected = "hello"): AnswerReader {
  const reader = new AnswerReader();
  reader.reset(Buffer.from(expected));
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += pieceLength) {
    const isLast = start + pieceLength >= bytes.length;
    assert.equal(reader.read(bytes.subarray(start, start + pieceLength)), isLast, `piece at ${start}`);
  }
  return reader;
}

test("AnswerReader finds the end of an answer however it is cut", () => {
  const text = `${HEAD}hello`;
  for (let pieceLength = 1; pieceLength <= text.length; pieceLength += 1) {
    const reader = readAll(text, pieceLength);
    assert.equal(reader.isRight, true);
    assert.equal(reader.closes, false);
    assert.equal(reader.bytes, text.length);
  }
});

test("AnswerReader says that an answer is wrong: another body, a shorter one, another status", () => {
  assert.equal(readAll(`${HEAD}hallo`, 3).isRight, false);
  assert.equal(readAll(`${HEAD}hello`, 3, "hello, world").isRight, false);
  assert.equal(readAll(`${HEAD.replace("200 OK", "500 No")}hello`, 3).isRight, false);
});

test("AnswerReader refuses more bytes than the answer announced, and chunked answers", () => {
  assert.throws(() => new AnswerReader().read(Buffer.from(`${HEAD}hello!`)), /More bytes/);
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  assert.throws(() => new AnswerReader().read(Buffer.from(chunked)), /Chunked/);
});

test("AnswerReader takes the close as the end where the head says no length", () => {
  const reader = new AnswerReader();
  reader.reset(Buffer.from("hello"));
  assert.equal(reader.readEnd(), false);
  assert.equal(reader.read(Buffer.from("HTTP/1.1 200 OK\r\n\r\nhello")), false);
  assert.equal(reader.readEnd(), true);
  assert.equal(reader.isRight, true);
  assert.equal(reader.closes, true);
});

test("AnswerReader knows from version and Connection whether the server will close", () => {
  const closes = (head: string): boolean => {
    const reader = new AnswerReader();
    reader.read(Buffer.from(`${head}\r\nContent-Length: 0\r\n\r\n`));
    return reader.closes;
  };
  assert.equal(closes("HTTP/1.1 200 OK"), false);
  assert.equal(closes("HTTP/1.1 200 OK\r\nConnection: close"), true);
  assert.equal(closes("HTTP/1.0 200 OK"), true);
  assert.equal(closes("HTTP/1.0 200 OK\r\nconnection: Keep-Alive"), false);
});
