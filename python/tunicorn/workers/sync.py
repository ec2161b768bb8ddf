"""The sync worker: one request at a time."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from tunicorn import frame
from tunicorn.request_hooks import make_gateway
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from tunicorn.channel import Channel, Frame
    from tunicorn.wsgi import WsgiGateway


class SyncWorker(Worker):
    """Takes a request, calls the application, answers, and takes the next."""

    _channel: Channel | None = None
    #: The worker waits for a frame: nothing is half sent, so a signal handler may send.
    _is_waiting = False
    _has_asked_to_leave = False

    def serve(self, channel: Channel) -> None:
        self._channel = channel
        self._has_asked_to_leave = False
        gateway = make_gateway(self, channel)
        channel.send(frame.encode(frame.READY))
        received = None
        while True:
            # Before the check: a signal between the two would find nobody who asks.
            self._is_waiting = True
            if not self.alive:
                self._ask_to_leave()
            received = received or channel.receive()
            self._is_waiting = False
            if received is None:
                return
            if received.kind == frame.DRAIN:
                self.alive = False
                return
            if received.kind == frame.CANCEL:
                received = None
                continue
            if received.kind != frame.REQUEST:
                raise frame.ProtocolError(f"the router sent a frame of type {received.kind}")
            received = self._handle(gateway, channel, received)
            if channel.is_drained:
                self.alive = False
                return

    def _handle(self, gateway: WsgiGateway, channel: Channel, request: Frame) -> Frame | None:
        """Answers a request. The next frame, if one was at hand already."""
        self.nr += 1
        is_last = self.nr == self.max_requests
        if is_last:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._has_asked_to_leave = True
        after = frame.TAKES_MORE | (frame.LAST if is_last else 0)
        try:
            if gateway.handle(request.stream, request.flags, request.payload, after):
                return None
            # A request that the router sent ahead needs no READY: its response will tell.
            following = None if is_last else channel.poll()
            if following is None or following.kind != frame.REQUEST:
                channel.send(frame.encode(frame.READY, flags=frame.LAST if is_last else 0))
            return following
        except ConnectionError:
            # The router is gone, and its clients with it; what the application did is done.
            self.log.debug("The router went away during a request")
            return None

    def handle_term(self, number: int, signal_frame: FrameType | None) -> None:
        super().handle_term(number, signal_frame)
        if self._is_waiting:
            self._ask_to_leave()

    def _ask_to_leave(self) -> None:
        """Tells the router once; until it answers with DRAIN, requests may still come and are served."""
        if self._has_asked_to_leave or self._channel is None:
            return
        self._has_asked_to_leave = True
        try:
            self._channel.send(frame.encode(frame.LEAVING))
        except ConnectionError:
            self.log.debug("The router went away before the worker could take its leave")
