"""The sync worker: one request at a time."""

from __future__ import annotations

from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from tunicorn import frame
from tunicorn.puller import Puller
from tunicorn.request_hooks import make_gateway
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from tunicorn.channel import Channel, Frame
    from tunicorn.puller import QueuePlace
    from tunicorn.queue import Pulled, Token
    from tunicorn.wsgi import WsgiGateway


class SyncWorker(Worker):
    """Takes a request, calls the application, answers, and takes the next.

    Where there is a shared queue it pulls its requests from there, else they come over the channel.
    """

    _channel: Channel | None = None
    _puller: Puller | None = None
    #: A token that was taken from the queue of a router which has to be dialled first.
    _token: Token | None = None
    #: The worker waits for a frame: nothing is half sent, so a signal handler may send.
    _is_waiting = False
    _has_asked_to_leave = False

    def serve(self, channel: Channel) -> None:
        self._channel = channel
        self._has_asked_to_leave = False
        gateway = make_gateway(self, channel)
        channel.send(frame.encode(frame.READY))
        while True:
            received = self._receive(channel)
            if received is None:
                return
            if received.kind == frame.REQUEST:
                self._answer(gateway, channel, received)
            elif received.kind == frame.PULL and self.queue_place is not None:
                self._pull(self.queue_place, gateway, channel)
            elif received.kind == frame.DRAIN:
                channel.is_drained = True
            elif received.kind != frame.CANCEL:
                raise frame.ProtocolError(f"the router sent a frame of type {received.kind}")
            if channel.is_drained:
                self.alive = False
                if self.queue_place is not None:
                    self._say(channel, frame.LAST)
                return

    def _receive(self, channel: Channel) -> Frame | None:
        # Before the check: a signal between the two would find nobody who asks.
        self._is_waiting = True
        self._wants_to_leave()
        received = channel.receive()
        self._is_waiting = False
        return received

    def _pull(self, place: QueuePlace, gateway: WsgiGateway, channel: Channel) -> None:
        """Takes requests from the shared queue until it ends, or the router says to leave."""

        def handle(pulled: Pulled) -> None:
            self._handle(gateway, channel, pulled, 0)

        self._puller = Puller(place, channel, self.age, 0, handle)
        token, self._token = self._token, None
        try:
            if token is not None:
                self._puller.handle_token(token)
            self._token = self._puller.pull(self._wants_to_leave)
            if self._token is not None:
                # The router that gave it is not the one at the other end: the next receive says so.
                self.log.debug("The router has changed")
        except ConnectionError:
            self.log.debug("The router went away during a request")
        finally:
            puller, self._puller = self._puller, None
            puller.close()

    def _answer(self, gateway: WsgiGateway, channel: Channel, request: Frame) -> None:
        """Answers a request that came over the channel."""
        last = frame.LAST if self._is_last else 0
        after = frame.TAKES_MORE | last
        if not self._handle(gateway, channel, request, after):
            self._say(channel, last)

    def _say(self, channel: Channel, flags: int) -> None:
        """READY with these flags; with LAST: this worker holds nothing and takes nothing."""
        with suppress(ConnectionError):
            channel.send(frame.encode(frame.READY, flags=flags))

    @property
    def _is_last(self) -> bool:
        """The request that comes now is the one after which the worker leaves."""
        return self.nr + 1 == self.max_requests

    def _handle(self, gateway: WsgiGateway, channel: Channel, request: Frame | Pulled, after: int) -> bool:
        """Calls the application for a request. Whether the flags in after were sent."""
        is_last = self._is_last
        self.nr += 1
        if is_last:
            self.log.info("Autorestarting worker after current request.")
            self._has_asked_to_leave = True
            # Over the channel the router answers LAST with DRAIN.
            channel.is_drained = self.queue_place is not None
        try:
            return gateway.handle(request.stream, request.flags, request.payload, after)
        except ConnectionError:
            # The router is gone, and its clients with it; what the application did is done.
            self.log.debug("The router went away during a request")
            return False

    def handle_term(self, number: int, signal_frame: FrameType | None) -> None:
        super().handle_term(number, signal_frame)
        if self._is_waiting:
            self._wants_to_leave()
        elif self._puller is not None and self._puller.is_waiting:
            self._wants_to_leave()
            self._puller.wake()

    def _wants_to_leave(self) -> bool:
        """Tells the router so, once; until it answers with DRAIN, requests may still come and are served."""
        if self.alive:
            return False
        if not self._has_asked_to_leave and self._channel is not None:
            self._has_asked_to_leave = True
            try:
                self._channel.send(frame.encode(frame.LEAVING))
            except ConnectionError:
                self.log.debug("The router went away before the worker could take its leave")
        return True
