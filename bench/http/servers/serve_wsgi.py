"""For servers that write no access log and have no means for it: serves an application that writes it itself.

`serve_wsgi.py SERVER MODULE:NAME PORT WORKERS THREADS ACCESS_LOG`, SERVER being waitress or bjoern.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

Application = Callable[..., Iterable[bytes]]


class Logged:
    """Writes a line in the usual format for each request, as the other servers do, one system call each."""

    def __init__(self, app: Application, file: str) -> None:
        self._app = app
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._second = 0
        self._time = ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            head[:] = status, headers
            return start_response(status, headers, *rest)

        body = self._app(environ, start)
        self._write(environ, head[0], head[1])
        return body

    def _write(self, environ: dict[str, Any], status: str, headers: list[tuple[str, str]]) -> None:
        length = next((value for name, value in headers if name.lower() == "content-length"), "-")
        query = environ.get("QUERY_STRING", "")
        target = f"{environ['PATH_INFO']}?{query}" if query else environ["PATH_INFO"]
        line = (
            f"{environ.get('REMOTE_ADDR', '-')} - - [{self._now()}] "
            f'"{environ["REQUEST_METHOD"]} {target} {environ["SERVER_PROTOCOL"]}" {status[:3]} {length} '
            f'"{environ.get("HTTP_REFERER", "-")}" "{environ.get("HTTP_USER_AGENT", "-")}"\n'
        )
        os.write(self._descriptor, line.encode("latin-1"))

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._time = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
        return self._time


def serve_waitress(app: Application, port: int, workers: int, threads: int) -> None:
    """It has one process, which gets the threads of all. Its limit of 100 connections is below the load."""
    import waitress  # noqa: PLC0415 - one of two, only this one is needed

    waitress.serve(app, host="127.0.0.1", port=port, threads=workers * threads, connection_limit=2000)


def serve_bjoern(app: Application, port: int, workers: int, _threads: int) -> None:
    import bjoern  # noqa: PLC0415 - one of two, only this one is needed

    bjoern.listen(app, "127.0.0.1", port)
    children = []
    for _ in range(workers):
        pid = os.fork()
        if pid == 0:
            bjoern.run()
            os._exit(0)
        children.append(pid)

    def stop(*_: object) -> None:
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for pid in children:
        os.waitpid(pid, 0)


def main(server: str, application: str, *rest: str) -> None:
    *numbers, access_log = rest
    port, workers, threads = map(int, numbers)
    sys.path.insert(0, os.getcwd())
    module, name = application.split(":")
    serve = {"waitress": serve_waitress, "bjoern": serve_bjoern}[server]
    serve(Logged(getattr(import_module(module), name), access_log), port, workers, threads)


main(*sys.argv[1:])
