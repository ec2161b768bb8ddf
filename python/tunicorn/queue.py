"""The worker's end of the shared queue: tokens from a FIFO, requests from a mapped ring (queue.md)."""

from __future__ import annotations

import io
import mmap
import os
import select
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tunicorn import frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunicorn.channel import Channel

#: magic, version, epoch, slot count, slot bytes, offset of claims, their number, offset of slots,
#: offset of places, bytes of a place, number of places
RING_HEADER: Final = struct.Struct("<IHHIIIIIIII")
#: In units of 32 bits: version and epoch of the header; flags and payload bytes of a slot, behind its stream.
RING_VERSION_AND_EPOCH: Final = 1
SLOT_FLAGS: Final = 1
SLOT_BYTES: Final = 2
UNIT_BYTES: Final = 4
RING_MAGIC: Final = 0x716E7574
RING_VERSION: Final = 2

#: stream, router, epoch
TOKEN: Final = struct.Struct("<IHH")
#: stream, flags, payload bytes, reserved
SLOT: Final = struct.Struct("<IIII")

#: What a request says of a body in a place: the number of the place, and the size.
PLACED_BODY: Final = struct.Struct("<II")

#: A flag of a slot: the request is not in the ring, but comes over the channel.
BY_CHANNEL: Final = 128


class Admission(NamedTuple):
    """What the router tells a worker that may pull."""

    #: That of the router's ring.
    epoch: int
    #: Number of the worker's claim there.
    claim: int

    @classmethod
    def decode(cls, payload: bytes) -> Admission:
        """From the payload of a PULL frame."""
        return cls(*frame.PULL_PAYLOAD.unpack(payload))


#: Stands for a request in a router's ring: stream, router, epoch.
Token = tuple[int, int, int]


class Pulled(NamedTuple):
    """A request that this worker has claimed."""

    stream: int
    flags: int
    payload: bytes
    #: The rest of the payload, if it is a part by itself: a large body is not copied.
    body: bytes | None = None


class Ring:
    """A router's ring of slots, mapped, and one of the claims in it."""

    def __init__(self, path: str, admission: Admission) -> None:
        self._file = io.FileIO(os.open(path, os.O_RDWR | os.O_CLOEXEC), "r+b")
        header = os.pread(self._file.fileno(), RING_HEADER.size, 0)
        magic, version, _, *numbers = RING_HEADER.unpack(header.ljust(RING_HEADER.size))
        if magic != RING_MAGIC or version != RING_VERSION:
            self._file.close()
            raise frame.ProtocolError(f"{path} is no ring of this version")
        self._slots, self._slot_bytes, claims, count, self._start, *places = numbers
        self._places_start, self._place_bytes, self._places = places
        if admission.claim >= count:
            self._file.close()
            raise frame.ProtocolError(f"{path} has {count} claims, not one of number {admission.claim}")
        # Not the places: what is read from them is copied in any case, and they come and go.
        self._map = mmap.mmap(self._file.fileno(), self._places_start)
        #: The same by units, each of which is read and stored at once.
        self._units = memoryview(self._map).cast("I")
        self._claim = claims // UNIT_BYTES + admission.claim
        self._version_and_epoch = RING_VERSION | admission.epoch << 16

    @property
    def is_others(self) -> bool:
        """Another router owns it by now."""
        return self._units[RING_VERSION_AND_EPOCH] != self._version_and_epoch

    def claim(self, stream: int) -> Pulled | None:
        """Takes a request; None when it was withdrawn."""
        units = self._units
        offset = self._start + stream % self._slots * self._slot_bytes
        slot = offset // UNIT_BYTES
        if units[slot] != stream:
            return None
        flags, size = units[slot + SLOT_FLAGS], units[slot + SLOT_BYTES]
        units[self._claim] = stream
        start = offset + SLOT.size
        payload = self._map[start : start + size]
        body = None
        if flags & frame.PLACED_BODY:
            body = self.read_body(stream, payload)
        # The router withdraws first and looks for a claim afterwards; here it is the other way round. One of
        # the two sees the other. What was copied before it was withdrawn is whole.
        if units[slot] != stream or units[RING_VERSION_AND_EPOCH] != self._version_and_epoch:
            self.finish()
            return None
        return Pulled(stream, flags, payload, body)

    def read_body(self, stream: int, payload: bytes) -> bytes | None:
        """The body of a request whose payload ends with its place; None when it was withdrawn meanwhile."""
        place, size = PLACED_BODY.unpack(payload[-PLACED_BODY.size :].rjust(PLACED_BODY.size, b"\0"))
        start = self._places_start + place * self._place_bytes
        room = (self._places - place) * self._place_bytes
        body = os.pread(self._file.fileno(), size, start) if size <= room else b""
        slot = (self._start + stream % self._slots * self._slot_bytes) // UNIT_BYTES
        # The router withdraws the stream before another body comes to the place.
        if self._units[slot] != stream or self.is_others:
            return None
        if len(body) != size:
            raise frame.ProtocolError(f"place {place} has {len(body)} bytes of a body, want {size}")
        return body

    def finish(self) -> None:
        """Says that nothing is left to do for what was claimed."""
        self._units[self._claim] = 0

    def close(self) -> None:
        """Unmaps it."""
        self._units.release()
        self._map.close()
        self._file.close()


class Tokens:
    """The reading end of a generation's FIFO. The kernel gives each token to one reader."""

    def __init__(self, path: str) -> None:
        self._path = path
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
        return TOKEN.unpack(self._token)

    def take_or_hear(self, channels: Iterable[Channel]) -> Token | None:
        """Like take, but returns also when a frame has come.

        Not for every worker: each token would wake all that wait so.
        """
        os.set_blocking(self._file.fileno(), False)
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        for channel in channels:
            poll.register(channel, select.POLLIN)
        poll.poll()
        return self.take()

    def give_back(self, token: Token) -> None:
        """Puts a token into the FIFO again, for another reader."""
        with suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, TOKEN.pack(*token))
            finally:
                os.close(fd)

    def wake(self) -> None:
        """From a signal handler, perhaps of another thread: a take that waits returns."""
        # It may just have been closed, or be closed between the two calls.
        with suppress(ValueError, OSError):
            os.set_blocking(self._file.fileno(), False)

    def close(self) -> None:
        """Closes this end."""
        self._file.close()
