"""The worker's end of the shared queue: tokens from a FIFO, requests from a mapped ring (queue.md)."""

from __future__ import annotations

import io
import mmap
import os
import select
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from tunicorn import frame

if TYPE_CHECKING:
    from tunicorn.channel import Channel

#: magic, version, epoch, slot count, slot bytes, offset of claims, offset of finished cells, their number,
#: offset of slots
RING_HEADER: Final = struct.Struct("=IHHIIIIII")
RING_MAGIC: Final = 0x716E7574
RING_VERSION: Final = 1

#: stream, router, epoch
TOKEN: Final = struct.Struct("=IHH")
#: stream, flags, payload bytes, reserved
SLOT: Final = struct.Struct("=IIII")
#: key of the channel, stream
CLAIM: Final = struct.Struct("=II")
NUMBER: Final = struct.Struct("=I")

#: In a slot's flags: the request is too large for the ring and comes over the channel.
BY_CHANNEL: Final = 128

#: Threads of one worker that can be told apart in a claim.
THREADS: Final = 1024


class Token(NamedTuple):
    """Stands for a request in a router's ring."""

    stream: int
    router: int
    epoch: int


class Pulled(NamedTuple):
    """A request that this worker has claimed."""

    stream: int
    flags: int
    payload: bytes


class Ring:
    """A router's ring of slots, mapped."""

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        magic, version, _, *places = RING_HEADER.unpack_from(self._map)
        if magic != RING_MAGIC or version != RING_VERSION:
            raise frame.ProtocolError(f"{path} is no ring of this version")
        self._slots, self._slot_bytes, self._claims, self._finished, self._cells, self._start = places

    @property
    def epoch(self) -> int:
        """That of the router which owns the ring now."""
        return int(RING_HEADER.unpack_from(self._map)[2])

    def claim(self, stream: int, key: int) -> Pulled | None:
        """Takes a request for the channel with this key; None when it was withdrawn."""
        ring = self._map
        slot = stream % self._slots
        offset = self._start + slot * self._slot_bytes
        found, flags, size, _ = SLOT.unpack_from(ring, offset)
        if found != stream:
            return None
        cell = self._claims + slot * CLAIM.size
        CLAIM.pack_into(ring, cell, key, stream)
        # The router withdraws first and looks for a claim afterwards; here it is the other way round. One of
        # the two sees the other.
        if NUMBER.unpack_from(ring, offset)[0] != stream:
            CLAIM.pack_into(ring, cell, 0, 0)
            return None
        start = offset + SLOT.size
        return Pulled(stream, flags, ring[start : start + size])

    def finish(self, stream: int, key: int) -> None:
        """Says that nothing is left to do for a request."""
        NUMBER.pack_into(self._map, self._finished + key % self._cells * NUMBER.size, stream)

    def close(self) -> None:
        """Unmaps it."""
        self._map.close()


class Tokens:
    """The reading end of a generation's FIFO. The kernel gives each token to one reader."""

    def __init__(self, path: str) -> None:
        # Blocking at once would wait for a router that opens the other end.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(fd, True)
        self._file = io.FileIO(fd, "rb")
        self._token = bytearray(TOKEN.size)
        #: No router has the other end open, and no token is left.
        self.is_ended = False

    def take(self) -> Token | None:
        """The next token; None when woken, or at the end."""
        count = self._file.readinto(self._token)
        if not count:
            self.is_ended = count == 0
            return None
        return Token(*TOKEN.unpack(self._token))

    def take_or_hear(self, channel: Channel) -> Token | None:
        """Like take, but returns also when a frame has come.

        Not for every worker: each token would wake all that wait so.
        """
        os.set_blocking(self._file.fileno(), False)
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        poll.register(channel, select.POLLIN)
        poll.poll()
        return self.take()

    def wake(self) -> None:
        """From a signal handler: a take that waits returns."""
        os.set_blocking(self._file.fileno(), False)

    def close(self) -> None:
        """Closes this end."""
        self._file.close()


def channel_key(worker: int, thread: int) -> int:
    """Tells the channels of all workers of a server apart."""
    return (worker * THREADS + thread % THREADS) % 2**32
