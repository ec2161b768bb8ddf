"""What a response needs of the way back to the router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tunicorn.borrower import Borrower
    from tunicorn.channel import Frame


class ResponseChannel(Protocol):
    """A channel, or one stream of a channel that many requests share."""

    #: The router said DRAIN while something else was awaited.
    is_drained: bool

    @property
    def is_lost(self) -> bool:
        """Nothing can be sent any more: the router is gone, or a frame was cut off."""

    @property
    def borrower(self) -> Borrower | None:
        """For whom the router lends sockets; None where it does not."""

    @property
    def path(self) -> str:
        """Where the router listens, for those that dial once more."""

    def send(self, data: bytes) -> None:
        """Sends whole frames; waits while the router holds the worker back."""

    def send_body(self, stream: int, body: bytes | memoryview, flags: int, before: bytes) -> None:
        """Sends a body in BODY frames, behind a whole frame; the flags go with the last one."""

    def receive(self) -> Frame | None:
        """Waits for the next frame; None when nobody will send one."""

    def poll(self) -> Frame | None:
        """The next frame if one has come already. Raises ConnectionError when the router is gone."""
