/**
 * Sockets that Node cannot make: with SO_REUSEPORT (Node has it from 22.12 on), with an abstract name (the libuv
 * of Node 20 pads the name with NULs, so that no other program finds it), and datagrams to a unix address.
 * The interpreter of the application makes them, and hands the descriptors over (python/tunicorn/descriptors.py).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { pythonPackage } from "./python-package.ts";
import { adoptHandle, type BoundSocket } from "./server-handle.ts";

const PROGRAM = join(pythonPackage, "descriptors.py");
/** For the interpreter to start, and to make a socket. */
const MAKING_MS = 15_000;

/** Binds a TCP address with SO_REUSEPORT. Rejects with a system error with `code`. */
export async function bindShared(interpreter: string, address: string, port: number): Promise<BoundSocket> {
  return await receiveHandle(interpreter, ["shared", address, String(port)]);
}

/** Binds a unix socket with an abstract name (Linux). Rejects with a system error with `code`. */
export async function bindAbstract(interpreter: string, name: string): Promise<BoundSocket> {
  return await receiveHandle(interpreter, ["abstract", name]);
}

async function receiveHandle(interpreter: string, order: readonly string[]): Promise<BoundSocket> {
  const { handle, child } = await make(interpreter, order);
  if (child.connected) child.disconnect();
  return adoptHandle(handle);
}

/** A datagram socket. What is written to the descriptor is sent with the pid of this process. */
export interface DatagramSocket {
  readonly fd: number;
  readonly close: () => void;
}

/** Connects a datagram socket to a unix address, `@name` for an abstract one. Rejects with a system error. */
export async function connectDatagram(interpreter: string, address: string): Promise<DatagramSocket> {
  const { message, child } = await make(interpreter, ["datagram", address]);
  child.channel?.unref();
  child.send("taken");
  const link = `socket:[${String(message["inode"])}]`;
  const found = readdirSync("/proc/self/fd").find((fd) => linkOf(fd) === link);
  if (found === undefined) throw withCode("EBADF", "Node has not kept the descriptor");
  // Node keeps the descriptor as long as the channel that it came by.
  return { fd: Number(found), close: () => child.disconnect() };
}

interface Made {
  readonly message: Readonly<Record<string, unknown>>;
  readonly handle: unknown;
  readonly child: ChildProcess;
}

function make(interpreter: string, order: readonly string[]): Promise<Made> {
  const child = spawn(interpreter, ["-I", "-S", PROGRAM, ...order], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(error);
    };
    const timer = setTimeout(
      () => fail(withCode("ETIMEDOUT", `${interpreter} made no socket in time`)),
      MAKING_MS,
    );
    // Not only once: a channel that breaks afterwards must not end us.
    child.on("error", fail);
    child.once("exit", () => fail(withCode("ECHILD", `${interpreter} ended before it made a socket`)));
    child.once("message", (message: object, handle: unknown) => {
      clearTimeout(timer);
      const fields: Readonly<Record<string, unknown>> = { ...message };
      if (typeof fields["failed"] === "string") fail(withCode(fields["failed"], String(fields["message"])));
      else resolve({ message: fields, handle, child });
    });
  });
}

function withCode(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // The descriptor with which the folder itself was read.
  }
}
