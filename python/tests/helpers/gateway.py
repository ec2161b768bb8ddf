"""A WSGI gateway on a socket pair, with the test at the router's end, and applications for it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunicorn.channel import Channel
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.wsgi import WsgiGateway

from tests.helpers.router import (
    END,
    ENVIRON,
    RESPONSE,
    TAKES_MORE,
    Received,
    Response,
    RouterEnd,
    kinds_of,
    request_payload,
    response_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse

Application = Callable[[Environ, StartResponse], Any]


class Gateway:
    """A gateway between an application and the router's end of its channel."""

    def __init__(self, logger: Logger, log_path: Path) -> None:
        router, worker = socket.socketpair()
        self.router = RouterEnd(router)
        self.worker = worker
        self._logger = logger
        self._log_path = log_path
        #: Where the worker dials for tunnels.
        self.path = ""
        #: Who borrows sockets for the channel.
        self.borrower: Any = None
        #: Further settings.
        self.settings: dict[str, object] = {}
        #: What the last call of handle returned.
        self.is_after_sent: bool | None = None

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def handle(
        self,
        application: Application,
        environ: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        stream: int = 1,
        flags: int = END,
        after: int = TAKES_MORE,
    ) -> None:
        """Has one request answered; the environ is added to the usual one."""
        cfg = Config({"workers": 1, "threads": 1, **self.settings}, {})
        channel = Channel(self.worker, self.path)
        channel.borrower = self.borrower
        gateway = WsgiGateway(application, cfg, self._logger, channel)
        payload = request_payload({**ENVIRON, **(environ or {})}, body)
        self.is_after_sent = gateway.handle(stream, flags, payload, after)

    def call(self, application: Application, *arguments: Any, **options: Any) -> list[Received]:
        """Has one request answered; the frames that were sent for it."""
        self.handle(application, *arguments, **options)
        return self.router.received()

    def close(self) -> None:
        self.router.close()
        self.worker.close()


class Body:
    """An iterable that records how it is used."""

    def __init__(self, *pieces: Any, on_next: Callable[[], object] | None = None) -> None:
        self._pieces = list(pieces)
        self._on_next = on_next
        self.asked = 0
        self.closed = 0

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> Any:
        self.asked += 1
        if self.asked > 1 and self._on_next is not None:
            self._on_next()
        if not self._pieces:
            raise StopIteration
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


def answering(
    result: Any, status: str = "200 OK", headers: list[tuple[str, str]] | None = None
) -> Application:
    """An application that starts its response and returns the result."""

    def application(_environ: Environ, start_response: StartResponse) -> Any:
        start_response(status, headers or [])
        return result

    return application


def only_response(frames: list[Received]) -> Response:
    """The response that came whole in one frame."""
    assert kinds_of(frames) == [RESPONSE]
    assert frames[0].flags & END
    return response_of(frames[0])


def error_head(start_response: StartResponse, *, status: str = "500 Oops", length: str = "4") -> None:
    """Starts an error page in the place of what was started before, as an error handler does."""
    try:
        raise RuntimeError("of the application")
    except RuntimeError:
        start_response(status, [("Content-Length", length)], sys.exc_info())
