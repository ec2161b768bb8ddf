"""Pulls requests from the shared queue for one channel, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tunicorn import frame
from tunicorn.queue import BY_CHANNEL, Pulled, Ring, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.channel import Channel
    from tunicorn.queue import Admission, Token


class QueuePlace(NamedTuple):
    """Where the shared queue of a generation is."""

    ring_path: str
    tokens_path: str


class Puller:
    """One that waits for requests: a worker, or one of its threads."""

    def __init__(
        self, place: QueuePlace, admission: Admission, channel: Channel, handle: Callable[[Pulled], object]
    ) -> None:
        self._channel = channel
        self._handle = handle
        self._epoch = admission.epoch
        self._ring = Ring(place.ring_path, admission)
        self._tokens = Tokens(place.tokens_path)
        #: Waits for a token: nothing is half sent, so a signal handler may send.
        self.is_waiting = False

    def pull(self, is_leaving: Callable[[], bool]) -> None:
        """Handles requests until the queue ends, the router says to leave, or is gone.

        A worker that is leaving also listens to its channel meanwhile.
        """
        channel = self._channel
        tokens = self._tokens
        while not (channel.is_drained or channel.is_lost):
            self.is_waiting = True
            token = tokens.take_or_hear(channel) if is_leaving() else tokens.take()
            self.is_waiting = False
            if token is None:
                if tokens.is_ended or self._has_lost_router():
                    return
            elif token.epoch == self._epoch:
                self._handle_token(token)
            elif self._ring.is_others:
                # Of a router that took the place of this channel's, and that has to be dialled first.
                tokens.give_back(token)
                return

    def _handle_token(self, token: Token) -> None:
        """Claims a request and handles it; a stale token is nothing."""
        pulled = self._ring.claim(token.stream)
        if pulled is None:
            return
        if pulled.flags & BY_CHANNEL:
            pulled = self._fetch(token.stream)
        if pulled is not None:
            self._handle(pulled)
        # Without a channel the answer did not arrive: the claim tells the router that it was begun.
        if not self._channel.is_lost:
            self._ring.finish()

    def wake(self) -> None:
        """From a signal handler: the wait ends."""
        self._tokens.wake()

    def close(self) -> None:
        """Closes the queue, not the channel."""
        self._tokens.close()
        self._ring.close()

    def _has_lost_router(self) -> bool:
        """Takes the frames that have come, of which DRAIN counts."""
        try:
            received = self._channel.poll()
            while received is not None:
                if received.kind == frame.DRAIN:
                    self._channel.is_drained = True
                received = self._channel.poll()
        except ConnectionError:
            return True
        return False

    def _fetch(self, stream: int) -> Pulled | None:
        """Asks for a request that is not in the ring; None when its client or the router is gone."""
        self._channel.send(frame.encode(frame.FETCH, stream))
        while True:
            received = self._channel.receive()
            if received is None:
                return None
            if received.kind == frame.DRAIN:
                self._channel.is_drained = True
            elif received.stream == stream:
                is_there = received.kind == frame.REQUEST
                return Pulled(stream, received.flags, received.payload) if is_there else None
