"""What an asgi worker costs for each request, without a router: `npm run bench:steps`.

    asgi_worker.py module:application [/path]

The gateway and its event loop are real; what stands in for the router hands in several requests in one
read, and the next ones when these are answered. No system call is counted. Printed is the least CPU time
of a batch, for one request, beside that of the application awaited by itself.
"""

import asyncio
import importlib
import logging
import socket
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench" / "apps")]

# The folders must be on the path first.
from tunicorn import frame  # noqa: E402
from tunicorn.asgi import AsgiCalls  # noqa: E402
from tunicorn.asgi_scope import make_scope  # noqa: E402
from tunicorn.event_loop import make_loop  # noqa: E402
from tunicorn.stream_channel import StreamChannel  # noqa: E402
from tunicorn.workers.asgi import AsgiWorker  # noqa: E402

BATCHES = 60
BATCH = 400
# In one read, as under load with 64 clients.
GATHERED = 16


def request_head(path):
    parts = [
        *("GET", "1.1", "http", "", path, "", "127.0.0.1", "50222", "127.0.0.1", "8000"),
        *("host", "127.0.0.1:8000", "user-agent", "Mozilla/5.0 (X11; Linux x86_64)", "accept", "*/*"),
    ]
    return "\0".join(parts).encode("latin-1")


def request_frame(number, head):
    payload = struct.pack("<I", len(head)) + head
    return frame.encode(frame.REQUEST, number, payload, flags=frame.END)


class Router:
    """Stands in for the transport of a channel: what is written counts as answered."""

    def __init__(self, channel, head):
        self.channel = channel
        self.head = head
        self.number = 0
        self.open = 0
        self.times = []
        self.start = 0.0
        self.done = channel.loop.create_future()
        self.socket, self.other_end = socket.socketpair()

    def get_extra_info(self, _name):
        return self.socket

    def get_write_buffer_size(self):
        # Something waits to be sent: so the channel gives the transport what it would send by itself.
        return 1

    def ask(self):
        if self.number % BATCH == 0:
            now = time.process_time()
            if self.number > 0:
                self.times.append((now - self.start) / BATCH * 1e6)
            if len(self.times) == BATCHES:
                self.done.set_result(None)
                return
            self.start = time.process_time()
        numbers = range(self.number + 1, self.number + 1 + GATHERED)
        self.number += GATHERED
        self.open = GATHERED
        self.channel.data_received(b"".join(request_frame(number, self.head) for number in numbers))

    def write(self, data):
        offset = 0
        while offset < len(data):
            offset += frame.HEADER_BYTES + frame.HEADER.unpack_from(data, offset)[0]
            self.open -= 1
        if self.open == 0:
            self.channel.loop.call_soon(self.ask)


class Gateway:
    """What of the worker each request passes through."""

    count_request = AsgiWorker.count_request
    begin = AsgiWorker.begin
    nr = 0
    max_requests = 0

    def __init__(self, calls):
        self._calls = calls

    def on_lost(self, channel, error):
        raise AssertionError("nobody closes the channel")


async def measure_gateway(application, head):
    """Least CPU time for a request, in microseconds."""
    calls = AsgiCalls(application, logging.getLogger("steps"), {}, 3.0, sends_files=True)
    channel = StreamChannel(asyncio.get_running_loop(), Gateway(calls))
    router = Router(channel, head)
    channel.connection_made(router)
    router.ask()
    await router.done
    return min(router.times[2:])


async def measure_application(application, head):
    """The same of the application awaited by itself, with a scope of its own."""

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message):
        return None

    times = []
    for _ in range(BATCHES):
        start = time.process_time()
        for _ in range(BATCH):
            await application(make_scope(head, {}), receive, send)
        times.append((time.process_time() - start) / BATCH * 1e6)
    return min(times)


def main():
    module, name = sys.argv[1].split(":")
    application = getattr(importlib.import_module(module), name)
    head = request_head(sys.argv[2] if len(sys.argv) > 2 else "/")
    loop = make_loop("auto", logging.getLogger("steps"))
    whole = loop.run_until_complete(measure_gateway(application, head))
    alone = loop.run_until_complete(measure_application(application, head))
    print(f"{sys.argv[1]}: asgi worker {whole:.2f} µs a request, application and scope alone {alone:.2f} µs")


main()
