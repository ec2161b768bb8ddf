"""What a worker, or one of its threads, has of a router: its channel, and a claim in its ring."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tunicorn import frame
from tunicorn.borrower import Borrower
from tunicorn.channel import Frame
from tunicorn.queue import Admission, Pulled, Ring

if TYPE_CHECKING:
    from tunicorn.channel import Channel
    from tunicorn.wsgi import WsgiGateway

#: No router has this epoch: it is 16 bits wide.
NO_EPOCH: Final = -1


class RouterLink:
    """One dialled router."""

    def __init__(self, channel: Channel, gateway: WsgiGateway, ring_path: str | None) -> None:
        self.channel = channel
        self.gateway = gateway
        self._ring_path = ring_path
        #: None until the router says PULL.
        self.ring: Ring | None = None
        self.epoch = NO_EPOCH
        #: The router knows, or will know without being asked, that the worker leaves.
        self.has_asked_to_leave = False

    @property
    def is_outdated(self) -> bool:
        """Another router has taken the place of this one."""
        return self.channel.is_lost or (self.ring is not None and self.ring.is_others)

    def note(self, received: Frame) -> None:
        """What the router says beside requests and answers: PULL and DRAIN."""
        if received.kind == frame.DRAIN:
            self.channel.is_drained = True
        elif received.kind == frame.PULL and self._ring_path is not None:
            admission = Admission.decode(received.payload)
            self.ring = Ring(self._ring_path, admission)
            self.epoch = admission.epoch
            self.channel.borrower = Borrower(self.channel)

    def await_admission(self) -> None:
        """Waits for PULL, or for DRAIN, or until the router is gone."""
        while self.ring is None and not self.channel.is_drained:
            received = self.channel.receive()
            if received is None:
                return
            self.note(received)

    def say_ready(self, flags: int = 0) -> None:
        """With LAST: this worker holds nothing and takes nothing."""
        # A router that is gone is noticed when the next frame is awaited.
        with suppress(ConnectionError):
            self.channel.send(frame.encode(frame.READY, flags=flags))

    def ask_to_leave(self) -> None:
        """Tells the router once that the worker would leave; until DRAIN answers, it serves."""
        if not self.has_asked_to_leave:
            self.has_asked_to_leave = True
            with suppress(ConnectionError):
                self.channel.send(frame.encode(frame.LEAVING))

    def fetch(self, stream: int) -> Pulled | None:
        """Asks for a request that is not in the ring; None when its client or the router is gone."""
        self.channel.send(frame.encode(frame.FETCH, stream))
        channel = self.channel
        while True:
            header = channel.receive_exactly(frame.HEADER_BYTES)
            if header is None:
                return None
            size, kind, flags, aux, number = frame.HEADER.unpack(header)
            if kind == frame.REQUEST and number == stream:
                return self._receive_request(stream, flags, size)
            payload = channel.receive_exactly(size)
            if payload is None or number == stream:
                return None
            self.note(Frame(kind, flags, aux, number, payload))

    def _receive_request(self, stream: int, flags: int, size: int) -> Pulled | None:
        """Its body comes into the memory in which the application gets it."""
        channel = self.channel
        prefix = channel.receive_exactly(frame.HEAD_LENGTH.size)
        if prefix is None:
            return None
        (head_length,) = frame.HEAD_LENGTH.unpack(prefix)
        body_length = size - frame.HEAD_LENGTH.size - head_length
        if body_length < 0:
            raise frame.ProtocolError("a request frame is shorter than its head")
        head = channel.receive_exactly(head_length)
        body = channel.receive_exactly(body_length)
        return None if head is None or body is None else Pulled(stream, flags, prefix + head, body)

    def close(self) -> None:
        """Ends the channel."""
        self.channel.close()
        if self.ring is not None:
            self.ring.close()
