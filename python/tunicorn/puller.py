"""Pulls requests from the shared queue for one channel, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tunicorn import frame
from tunicorn.queue import BY_CHANNEL, Pulled, Ring, Tokens, channel_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.channel import Channel, Frame
    from tunicorn.queue import Token


class QueuePlace(NamedTuple):
    """Where the shared queue of a generation is."""

    ring_path: str
    tokens_path: str


class Puller:
    """One that waits for requests: a worker, or one of its threads."""

    def __init__(
        self, place: QueuePlace, channel: Channel, worker: int, thread: int, handle: Callable[[Pulled], None]
    ) -> None:
        self._channel = channel
        self._handle = handle
        self._key = channel_key(worker, thread)
        self._ring = Ring(place.ring_path)
        self._epoch = self._ring.epoch
        self._tokens = Tokens(place.tokens_path)
        #: Waits for a token: nothing is half sent, so a signal handler may send.
        self.is_waiting = False

    def pull(self, is_leaving: Callable[[], bool]) -> Token | None:
        """Handles requests until the queue ends, the router says to leave, or is gone.

        A worker that is leaving also listens to its channel meanwhile. A token of a router that took the
        place of the channel's is returned: it is to be handled once that router is dialled.
        """
        channel = self._channel
        tokens = self._tokens
        while not channel.is_drained:
            self.is_waiting = True
            token = tokens.take_or_hear(channel) if is_leaving() else tokens.take()
            self.is_waiting = False
            if token is not None:
                if token.epoch == self._epoch:
                    self.handle_token(token)
                elif self._ring.epoch != self._epoch:
                    return token
            elif tokens.is_ended or self._has_lost_router():
                return None
        return None

    def handle_token(self, token: Token) -> None:
        """Claims a request and handles it; a stale token is nothing."""
        stream = token.stream
        pulled = self._ring.claim(stream, self._key) if token.epoch == self._epoch else None
        if pulled is None:
            return
        if pulled.flags & BY_CHANNEL:
            received = self._fetch(stream)
            if received is None:
                return
            pulled = Pulled(stream, received.flags, received.payload)
        self._handle(pulled)
        self._ring.finish(stream, self._key)

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

    def _fetch(self, stream: int) -> Frame | None:
        """Asks for a request that was too large for the ring; None when its client or the router is gone."""
        self._channel.send(frame.encode(frame.FETCH, stream))
        while True:
            received = self._channel.receive()
            if received is None:
                return None
            if received.kind == frame.DRAIN:
                self._channel.is_drained = True
            elif received.stream == stream:
                return received if received.kind == frame.REQUEST else None
