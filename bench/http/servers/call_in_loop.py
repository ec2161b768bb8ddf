"""Calls an application again and again, without any server: what is left without any of a server's work.

The one argument is JSON (`LoopOptions` in `measure/loop.ts`); the result is one line of JSON.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

WARM_UP_SECONDS = 0.5
# Between two looks at the clock.
BATCH = 20

Answer = tuple[str, str, bytes]


class Tally:
    """Calls until its time is over; every answer is compared with the first."""

    def __init__(self, seconds: float) -> None:
        self.calls = 0
        self.wrong = 0
        self.answer: Answer | None = None
        self.start = time.perf_counter()
        self.end = self.start + seconds

    def count(self, answer: Answer) -> None:
        self.calls += 1
        if self.answer is None:
            self.answer = answer
        elif answer != self.answer:
            self.wrong += 1

    def is_over(self) -> bool:
        return time.perf_counter() >= self.end


def call_wsgi(app: Callable[..., Any], path: str, tally: Tally) -> None:
    template = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        head[:] = status, headers

    while not tally.is_over():
        for _ in range(BATCH):
            environ = {**template, "wsgi.input": io.BytesIO()}
            chunks = app(environ, start_response)
            body = b"".join(chunks)
            if hasattr(chunks, "close"):
                chunks.close()
            content_type = next(value for name, value in head[1] if name.lower() == "content-type")
            tally.count((head[0].split()[0], content_type, body))


async def call_asgi(app: Callable[..., Any], path: str, tally: Tally) -> None:
    template = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
    }
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    while not tally.is_over():
        for _ in range(BATCH):
            messages.clear()
            await app({**template, "state": {}}, receive, send)
            head = messages[0]
            content_type = next(value for name, value in head["headers"] if name.lower() == b"content-type")
            body = b"".join(message.get("body", b"") for message in messages[1:])
            tally.count((str(head["status"]), content_type.decode(), body))


def call(options: dict[str, Any], app: Callable[..., Any], seconds: float) -> Tally:
    tally = Tally(seconds)
    if options["interface"] == "wsgi":
        call_wsgi(app, options["path"], tally)
        return tally
    try:
        import uvloop  # noqa: PLC0415 - only for ASGI, and only where it is

        uvloop.run(call_asgi(app, options["path"], tally))
    except ImportError:
        asyncio.run(call_asgi(app, options["path"], tally))
    return tally


def run_worker(options: dict[str, Any], app: Callable[..., Any]) -> dict[str, Any]:
    call(options, app, WARM_UP_SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF)
    tally = call(options, app, options["seconds"])
    after = resource.getrusage(resource.RUSAGE_SELF)
    status, content_type, body = tally.answer or ("", "", b"")
    return {
        "calls": tally.calls,
        "seconds": time.perf_counter() - tally.start,
        "cpuSeconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wrongAnswers": tally.wrong,
        "status": int(status or 0),
        "contentType": content_type,
        "body": body.decode("latin-1"),
    }


def main(argument: str) -> None:
    options = json.loads(argument)
    sys.path.insert(0, os.getcwd())
    module, name = options["application"].split(":")
    app = getattr(import_module(module), name)
    pipes = []
    workers = []
    for _ in range(options["workers"]):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            with os.fdopen(writer, "w") as output:
                json.dump(run_worker(options, app), output)
            os._exit(0)
        os.close(writer)
        pipes.append(reader)
        workers.append(pid)
    counts = [json.load(os.fdopen(reader)) for reader in pipes]
    # Processes that nobody waits for would count as others that disturb the measurement.
    for pid in workers:
        os.waitpid(pid, 0)
    print(json.dumps(counts))


main(sys.argv[1])
