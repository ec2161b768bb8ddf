"""Takes requests over one channel, or from the shared queue, one after another, and has them answered."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tunicorn import frame
from tunicorn.puller import Puller
from tunicorn.queue import Admission
from tunicorn.request_hooks import make_gateway

if TYPE_CHECKING:
    from tunicorn.channel import Channel, Frame
    from tunicorn.puller import QueuePlace
    from tunicorn.queue import Pulled
    from tunicorn.workers.base import Worker
    from tunicorn.wsgi import WsgiGateway


class RequestLoop:
    """What a sync worker does all its life, and a gthread worker in each of its threads."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._channel: Channel | None = None
        self._puller: Puller | None = None
        self._is_receiving = False
        self._has_asked_to_leave = False

    @property
    def is_waiting(self) -> bool:
        """Nothing is half sent, so a signal handler of the same thread may send."""
        return self._is_receiving or (self._puller is not None and self._puller.is_waiting)

    def serve(self, channel: Channel) -> None:
        """Handles requests until the router says to leave, or is gone."""
        self._channel = channel
        self._has_asked_to_leave = False
        gateway = make_gateway(self._worker, channel)
        place = self._worker.queue_place
        self._say_ready(channel, 0)
        while True:
            received = self._receive(channel)
            if received is None:
                return
            if received.kind == frame.REQUEST:
                self._answer(gateway, channel, received)
            elif received.kind == frame.PULL and place is not None:
                self._pull(place, Admission.decode(received.payload), gateway, channel)
            elif received.kind == frame.DRAIN:
                channel.is_drained = True
            elif received.kind != frame.CANCEL:
                raise frame.ProtocolError(f"the router sent a frame of type {received.kind}")
            if channel.is_drained:
                if place is not None:
                    self._say_ready(channel, frame.LAST)
                return

    def ask_to_leave(self) -> bool:
        """Whether the worker leaves. It tells the router so, once; until DRAIN comes, requests are served."""
        if self._worker.alive:
            return False
        if not self._has_asked_to_leave and self._channel is not None:
            self._has_asked_to_leave = True
            try:
                self._channel.send(frame.encode(frame.LEAVING))
            except ConnectionError:
                self._worker.log.debug("The router went away before the worker could take its leave")
        return True

    def wake(self) -> None:
        """From a signal handler: a wait for the shared queue ends, or does not begin."""
        if self._puller is not None:
            self._puller.wake()

    def _receive(self, channel: Channel) -> Frame | None:
        # Before the check: a signal between the two would find nobody who asks.
        self._is_receiving = True
        self.ask_to_leave()
        received = channel.receive()
        self._is_receiving = False
        return received

    def _pull(self, place: QueuePlace, admission: Admission, gateway: WsgiGateway, channel: Channel) -> None:
        """Takes requests from the shared queue until it ends, or the router says to leave."""

        def handle(pulled: Pulled) -> None:
            self._handle(gateway, channel, pulled, 0)

        self._puller = Puller(place, admission, channel, handle)
        try:
            self._puller.pull(self.ask_to_leave)
        except ConnectionError:
            self._worker.log.debug("The router went away during a request")
        finally:
            puller, self._puller = self._puller, None
            puller.close()

    def _answer(self, gateway: WsgiGateway, channel: Channel, request: Frame) -> None:
        """Answers a request that came over the channel."""
        last = frame.LAST if self._worker.has_one_request else 0
        after = frame.TAKES_MORE | last
        if not self._handle(gateway, channel, request, after):
            self._say_ready(channel, last)

    def _say_ready(self, channel: Channel, flags: int) -> None:
        """With LAST: this worker holds nothing and takes nothing."""
        with suppress(ConnectionError):
            channel.send(frame.encode(frame.READY, flags=flags))

    def _handle(self, gateway: WsgiGateway, channel: Channel, request: Frame | Pulled, after: int) -> bool:
        """Calls the application for a request. Whether the flags in after were sent."""
        self._worker.count_request()
        if self._worker.has_one_request:
            self._has_asked_to_leave = True
            # Over the channel the router answers LAST with DRAIN.
            channel.is_drained = self._worker.queue_place is not None
        try:
            return gateway.handle(request.stream, request.flags, request.payload, after)
        except ConnectionError:
            # The router is gone, and its clients with it; what the application did is done.
            self._worker.log.debug("The router went away during a request")
            return False
