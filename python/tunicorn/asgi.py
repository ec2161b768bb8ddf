"""The ASGI gateway: each request of a channel becomes a task that calls the application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tunicorn import frame
from tunicorn.asgi_http import HttpRequest
from tunicorn.asgi_scope import make_scope
from tunicorn.asgi_types import AsgiApplication, is_about_disconnect
from tunicorn.asgi_websocket import WebSocket
from tunicorn.request_names import listed

if TYPE_CHECKING:
    from tunicorn.log import Logger
    from tunicorn.stream_channel import StreamChannel

AsgiRequest = HttpRequest | WebSocket


class AsgiCalls:
    """The calls of one application in a worker."""

    def __init__(
        self,
        application: AsgiApplication,
        log: Logger,
        state: dict[str, Any],
        grace_seconds: float | None,
        *,
        sends_files: bool,
    ) -> None:
        self._application = application
        self._log = log
        self._state = state
        #: The router may read the application's files.
        self._sends_files = sends_files
        #: How long a call may go on whose client has left before its response; None: as long as it likes.
        self._grace_seconds = grace_seconds
        #: Calls that have not returned, also those whose response is complete.
        self._tasks: dict[AsgiRequest, asyncio.Task[None]] = {}
        self._is_ending = False
        #: Set when no call is under way; made when somebody waits for it.
        self._idle: asyncio.Event | None = None

    async def wait_until_idle(self) -> None:
        """Returns when no call is under way."""
        if self._tasks:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()

    def begin(self, channel: StreamChannel, number: int, flags: int, payload: bytes) -> AsgiRequest:
        """Calls the application for a REQUEST frame."""
        (head_length,) = frame.HEAD_LENGTH.unpack_from(payload)
        head_end = frame.HEAD_LENGTH.size + head_length
        if head_end > len(payload):
            raise frame.ProtocolError("a request frame is shorter than its head")
        head = payload[frame.HEAD_LENGTH.size : head_end]
        is_websocket = bool(flags & frame.WEBSOCKET)
        scope = make_scope(head, self._state, is_websocket=is_websocket, sends_files=self._sends_files)
        request: AsgiRequest
        if is_websocket:
            request = WebSocket(channel, number, scope)
        else:
            request = HttpRequest(channel, number, scope, payload[head_end:], flags)
        self._tasks[request] = channel.loop.create_task(self._run(request))
        return request

    async def _run(self, request: AsgiRequest) -> None:
        """A call from its beginning to its end. It raises nothing but what ends the worker."""
        try:
            result = await self._application(request.scope, request.receive, request.send)
        except BaseException as error:
            # What a call raises does not end a worker that has others, unless a signal has raised it.
            if self._is_ending and isinstance(error, SystemExit | KeyboardInterrupt):
                raise
            if not self._is_expected(request, error):
                self._log.error("Error handling request %s", request.name, exc_info=error)
            request.fail()
        else:
            if result is not None:
                self._complain(request, f"ASGI callable should return None, but returned '{result}'.")
                request.fail()
            elif (missing := request.end()) is not None:
                self._complain(request, missing)
        finally:
            self._forget(request)

    def _forget(self, request: AsgiRequest) -> None:
        self._tasks.pop(request, None)
        if self._idle is not None and not self._tasks:
            self._idle.set()

    def _is_expected(self, request: AsgiRequest, error: BaseException) -> bool:
        """It comes of a client that has left, or was told by whoever has cancelled the call."""
        if isinstance(error, asyncio.CancelledError):
            return request.is_gone or self._is_ending
        return request.is_gone and is_about_disconnect(error)

    def _complain(self, request: AsgiRequest, what: str) -> None:
        if not request.is_gone:
            self._log.error("Error handling request %s: %s", request.name, what)

    def on_abandoned(self, request: AsgiRequest) -> None:
        """Its client has left before the response: the call may clean up for a while, then it ends."""
        if self._grace_seconds is not None:
            request.channel.loop.call_later(self._grace_seconds, self._cancel_abandoned, request)

    def _cancel_abandoned(self, request: AsgiRequest) -> None:
        task = self._tasks.get(request)
        if task is None or request.is_complete:
            return
        self._log.debug("Cancelling %s: its client left %g s ago", request.name, self._grace_seconds)
        task.cancel()

    def expect_exit(self) -> None:
        """The worker ends now: SystemExit in a call is not the application's."""
        self._is_ending = True

    def cancel(self, reason: str) -> bool:
        """Ends the calls that are left, and says which they are. Whether there were any."""
        self._is_ending = True
        waiting = [(request, task) for request, task in self._tasks.items() if not task.done()]
        if not waiting:
            return False
        self._log.warning("%s: cancelling %s", reason, listed([request.name for request, _ in waiting]))
        for request, task in waiting:
            # For the line about a call that goes on all the same.
            task.set_name(request.name)
            task.cancel()
        return True
