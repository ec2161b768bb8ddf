"""The requests of a Tornado application: each is given to it as Tornado's own HTTP server does."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado.iostream import StreamClosedError

from tunicorn import frame
from tunicorn.asgi_scope import FIXED_PARTS
from tunicorn.request_names import listed
from tunicorn.response import ResponseHead
from tunicorn.tornado_connection import Context, TornadoConnection
from tunicorn.tornado_stream import TornadoStream

if TYPE_CHECKING:
    from tunicorn.log import Logger
    from tunicorn.stream_channel import StreamChannel
    from tunicorn.tornado_websocket import TornadoWebSocket


class TornadoCalls:
    """The requests of a worker that are under way."""

    def __init__(self, application: httputil.HTTPServerConnectionDelegate, log: Logger) -> None:
        self._application = application
        self._log = log
        #: Requests whose responses are not complete.
        self._open: dict[TornadoStream, asyncio.Task[None]] = {}
        #: Set when there is none; made when somebody waits for it.
        self._idle: asyncio.Event | None = None

    def begin(self, channel: StreamChannel, number: int, flags: int, payload: bytes) -> TornadoStream:
        """Gives the request of a REQUEST frame to the application."""
        (head_length,) = frame.HEAD_LENGTH.unpack_from(payload)
        head_end = frame.HEAD_LENGTH.size + head_length
        parts = payload[frame.HEAD_LENGTH.size : head_end].decode("latin-1").split("\0")
        if head_end > len(payload) or len(parts) < FIXED_PARTS or len(parts) % 2:
            raise frame.ProtocolError(f"the head of a request has {len(parts)} parts")
        method, version, scheme, _, path, query, host, port = parts[:8]
        uri = f"{path}?{query}" if query else path
        web_socket: TornadoWebSocket | None = None
        if flags & frame.WEBSOCKET:
            web_socket = _make_web_socket(channel, number, f"WebSocket {uri}")
            # Tornado speaks of the handshake, which is HTTP.
            scheme = "https" if scheme == "wss" else "http"
        stream = web_socket or TornadoStream(channel, number, f"{method} {uri}", payload[head_end:], flags)
        connection = TornadoConnection(stream, Context(host, port, scheme), method, web_socket)
        start_line = httputil.RequestStartLine(method, uri, f"HTTP/{version}")
        stream.on_complete = self._forget
        fields = list(zip(parts[FIXED_PARTS::2], parts[FIXED_PARTS + 1 :: 2], strict=True))
        self._open[stream] = channel.loop.create_task(self._give(stream, connection, start_line, fields))
        return stream

    async def _give(
        self,
        stream: TornadoStream,
        connection: TornadoConnection,
        start_line: httputil.RequestStartLine,
        fields: list[tuple[str, str]],
    ) -> None:
        """The request from its head to its last byte; the handler may go on after that."""
        delegate: httputil.HTTPMessageDelegate | None = None
        try:
            headers = httputil.HTTPHeaders()
            for name, value in fields:
                headers.add(name, value)
            delegate = self._application.start_request(connection.context, connection)
            await _read(stream, connection, delegate, start_line, headers)
        except StreamClosedError:
            pass
        except httputil.HTTPInputError as error:
            self._log.info("Malformed HTTP message from %s: %s", connection.context, error)
            _refuse(stream)
        except Exception as error:
            self._log.error("Error handling request %s", stream.name, exc_info=error)
            stream.fail()
        if delegate is not None and not connection.is_read:
            try:
                delegate.on_connection_close()
            except Exception as error:
                self._log.error("Error handling request %s", stream.name, exc_info=error)

    def _forget(self, stream: TornadoStream) -> None:
        self._open.pop(stream, None)
        if self._idle is not None and not self._open:
            self._idle.set()

    def on_abandoned(self, request: TornadoStream) -> None:
        """The stream itself tells the handler."""

    async def wait_until_idle(self) -> None:
        """Returns when every response is complete, and every handler is done with what it does after it."""
        if self._open:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()
        while handlers := _handlers():
            await asyncio.wait(handlers)

    def cancel(self, reason: str) -> bool:
        """Ends the requests that are left, and says which they are. Whether there were any."""
        streams, handlers = list(self._open), _handlers()
        if not streams and not handlers:
            return False
        # Some requests have no handler, and some handlers have no client any more.
        names = [_name_of(task) for task in handlers]
        names = sorted([*names, *(Counter(stream.name for stream in streams) - Counter(names)).elements()])
        self._log.warning("%s: cancelling %s", reason, listed(names))
        # Tornado asks each handler's task for its result, which a cancelled one has not.
        asyncio.get_running_loop().set_exception_handler(_ignore_cancelled)
        for task in (*self._open.values(), *handlers):
            task.cancel()
        for stream in streams:
            stream.fail()
        return True

    def expect_exit(self) -> None:
        """SystemExit in a handler ends the worker in any case, as it ends Tornado's own server."""


def _make_web_socket(channel: StreamChannel, number: int, name: str) -> TornadoWebSocket:
    from tunicorn.tornado_websocket import (  # noqa: PLC0415 -- not for an application without WebSockets
        TornadoWebSocket,
        install,
    )

    install()
    return TornadoWebSocket(channel, number, name)


async def _read(
    stream: TornadoStream,
    connection: TornadoConnection,
    delegate: httputil.HTTPMessageDelegate,
    start_line: httputil.RequestStartLine,
    headers: httputil.HTTPHeaders,
) -> None:
    waited = delegate.headers_received(start_line, headers)
    if waited is not None:
        await waited
    if stream.is_complete:
        return
    length = headers.get("Content-Length")
    if length is not None and int(length) > connection.max_body_bytes:
        raise httputil.HTTPInputError("Content-Length too long")
    try:
        await asyncio.wait_for(_read_body(stream, connection, delegate), connection.body_seconds)
    except asyncio.TimeoutError:
        stream.fail()
        raise StreamClosedError from None
    if not stream.is_complete:
        connection.is_read = True
        delegate.finish()


async def _read_body(
    stream: TornadoStream, connection: TornadoConnection, delegate: httputil.HTTPMessageDelegate
) -> None:
    size = 0
    while piece := await stream.read():
        size += len(piece)
        if size > connection.max_body_bytes:
            raise httputil.HTTPInputError("chunked body too large")
        waited = delegate.data_received(piece)
        if waited is not None:
            await waited


def _refuse(stream: TornadoStream) -> None:
    """400, as Tornado's own server says to what it does not take."""
    if stream.is_started or stream.is_complete:
        stream.fail()
        return
    stream.start(ResponseHead("400 Bad Request", [("Content-Length", "0")]))
    stream.end()


def _handlers() -> set[asyncio.Task[Any]]:
    """Tasks of Tornado's handlers: of all tasks only these belong to a request."""
    return {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_execute"}


def _name_of(handler: asyncio.Task[Any]) -> str:
    """The request of a handler's task."""
    running = getattr(handler.get_coro(), "cr_frame", None)
    request = getattr(running and running.f_locals.get("self"), "request", None)
    return f"{request.method} {request.uri}" if request is not None else "a handler"


def _ignore_cancelled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)
