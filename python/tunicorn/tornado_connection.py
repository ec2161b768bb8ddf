"""What Tornado's handlers know as their connection (tornado.httputil.HTTPConnection)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, NoReturn

from tornado import httputil
from tornado.escape import native_str
from tornado.iostream import StreamClosedError

from tunicorn.missing import MissingAttributeError
from tunicorn.response import FIRST_FINAL_STATUS, ResponseHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.tornado_stream import TornadoStream
    from tunicorn.tornado_websocket import TornadoWebSocket

#: Tornado's own limit for the body of a request, unless a handler sets another.
MAX_BODY_BYTES: Final = 100 * 1024 * 1024

#: A WebSocket is opened.
SWITCHING_PROTOCOLS: Final = 101

_ROUTER: Final = "the router process holds the connection"
INSTEAD: Final = {"close": _ROUTER, "params": _ROUTER, "no_keep_alive": _ROUTER}
INSTEAD_OF_STREAM: Final = {"socket": _ROUTER, "fileno": _ROUTER, "read_bytes": _ROUTER, "write": _ROUTER}


class Context:
    """Who the client is. The attributes are those of Tornado's own server."""

    def __init__(self, host: str, port: str, protocol: str) -> None:
        #: Address and port; a client on a unix socket has none.
        self.address: tuple[str, int] | str = (host, int(port)) if host else ""
        self.address_family = _family_of(host)
        self.remote_ip = host or "0.0.0.0"
        self.protocol = protocol

    def __str__(self) -> str:
        return self.remote_ip


def _family_of(host: str) -> socket.AddressFamily:
    if not host:
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class ClientStream:
    """What handlers ask of the stream below their connection: mostly whether the client is still there."""

    def __init__(self, stream: TornadoStream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("stream", name, INSTEAD_OF_STREAM, self)

    def closed(self) -> bool:
        """Whether nobody reads what is written."""
        return self._stream.is_gone

    def close(self) -> None:
        """Cuts the response off, or answers 500 if it has not begun."""
        self._stream.fail()

    def set_nodelay(self, value: bool) -> None:
        """The router sends without delay in any case."""


class TornadoConnection(httputil.HTTPConnection):
    """One request and its response: the router makes a connection of its own for each."""

    def __init__(
        self,
        stream: TornadoStream,
        context: Context,
        method: str,
        web_socket: TornadoWebSocket | None = None,
    ) -> None:
        self._stream = stream
        #: The same stream, if the request is the opening handshake of a WebSocket.
        self.web_socket = web_socket
        self._method = method
        self.context = context
        self.stream = ClientStream(stream)
        self.max_body_bytes = MAX_BODY_BYTES
        #: Seconds that the body may take; None: as long as the router allows.
        self.body_seconds: float | None = None
        #: Bytes of the body that are left of the announced length.
        self._expected: int | None = None
        self._close_callback: Callable[[], None] | None = None
        #: The application has all of the request. Before, it hears in another way of a client that leaves.
        self.is_read = False
        stream.on_closed = self._on_closed

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("connection", name, INSTEAD, self)

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        assert isinstance(start_line, httputil.ResponseStartLine)
        stream = self._stream
        if stream.is_gone:
            return _closed()
        if start_line.code == SWITCHING_PROTOCOLS and self.web_socket is not None:
            self.web_socket.accept(headers)
            return stream.send(b"")
        if start_line.code < FIRST_FINAL_STATUS:
            raise RuntimeError(f"the router cannot send a response {start_line.code} for a handler")
        # Values may be bytes, which Tornado itself lets through as well.
        fields = [(native_str(name), native_str(value)) for name, value in headers.get_all()]
        head = ResponseHead(f"{start_line.code} {start_line.reason or ''}", fields)
        has_body = self._method != "HEAD" and start_line.code != 304
        self._expected = head.content_length if has_body else 0
        self._count(chunk or b"")
        stream.start(head)
        return stream.send(chunk or b"")

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        stream = self._stream
        if stream.is_gone:
            return _closed()
        if not stream.is_started:
            raise RuntimeError("write() was called before write_headers()")
        self._count(chunk)
        return stream.send(chunk)

    def finish(self) -> None:
        stream = self._stream
        is_opened = self.web_socket is not None and self.web_socket.is_accepted
        if stream.is_complete or is_opened:
            return
        if not stream.is_started:
            stream.fail()
            return
        if self._expected:
            stream.fail()
            raise httputil.HTTPOutputError(f"Tried to write {self._expected} bytes less than Content-Length")
        stream.end()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """What is called when the client leaves before the response is complete."""
        self._close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """The limit for the body of this request, which a handler sets in prepare()."""
        self.max_body_bytes = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Seconds for the body of this request."""
        self.body_seconds = timeout

    def detach(self) -> ClientStream:
        """What is left of the connection for the handler of a WebSocket that is open."""
        if self.web_socket is not None and self.web_socket.is_accepted:
            return self.stream
        raise RuntimeError("there is no stream to detach: the router process holds the connection")

    def _count(self, chunk: bytes) -> None:
        """Holds the body against the length that was announced."""
        if self._expected is None:
            return
        if len(chunk) > self._expected:
            # What has left cannot be taken back, and the next response must not follow it.
            self._stream.fail()
            raise httputil.HTTPOutputError("Tried to write more data than Content-Length")
        self._expected -= len(chunk)

    def _on_closed(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None and self.is_read:
            callback()


def _closed() -> asyncio.Future[None]:
    """What a write to a client that has left is: awaited, it raises; not awaited, it says nothing."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(StreamClosedError())
    future.exception()
    return future
