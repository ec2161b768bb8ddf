"""The router's end of the shared queue, written after src/queue/queue.md and not after the worker's code."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.router import ENVIRON, PULL, RouterEnd, encode, request_payload

SLOTS: Final = 512
SLOT_BYTES: Final = 4096
CLAIMS_AT: Final = 64
CLAIMS: Final = 4096
SLOTS_AT: Final = 20_480
RING_BYTES: Final = SLOTS_AT + SLOTS * SLOT_BYTES

#: The request comes over the channel.
BY_CHANNEL: Final = 128

#: Behind the slots, each for a body.
PLACES: Final = 2
PLACE_BYTES: Final = 1024 * 1024

#: Of a body in a place, a request carries the number of the place, and the size.
PLACED: Final = struct.Struct("<II")
PLACED_BODY: Final = 64

HEADER: Final = struct.Struct("<4sHHIIIIIIII24x")
SLOT: Final = struct.Struct("<IIII")
NUMBER: Final = struct.Struct("<I")
TOKEN: Final = struct.Struct("<IHH")

#: How often a fact in the ring is looked for: a store tells nobody.
LOOK_SECONDS: Final = 0.005


def write_header(path: Path, epoch: int) -> None:
    """Says whose the ring is."""
    with path.open("r+b") as file:
        ring = (SLOTS, SLOT_BYTES, CLAIMS_AT, CLAIMS, SLOTS_AT)
        file.write(HEADER.pack(b"tunq", 2, epoch, *ring, RING_BYTES, PLACE_BYTES, PLACES))


def pull(epoch: int, claim: int) -> bytes:
    """A PULL frame."""
    return encode(PULL, 0, struct.pack("<HH", epoch, claim))


class QueueEnd:
    """A ring, and the FIFO of one generation, as their router has them."""

    def __init__(self, folder: Path, *, router: int = 0, epoch: int = 5) -> None:
        self.folder = folder
        self.router = router
        self.epoch = epoch
        self.ring_path = folder / f"ring-{router}"
        self.tokens_path = folder / "tokens-7"
        if not self.ring_path.exists():
            self.ring_path.write_bytes(bytes(RING_BYTES + PLACES * PLACE_BYTES))
        write_header(self.ring_path, epoch)
        self._ring = os.open(self.ring_path, os.O_RDWR)
        self._tokens = -1
        #: Never 0, and no slot is used twice.
        self._counter = 1
        self._slot = 0

    def make_fifo(self) -> None:
        """What the mold does."""
        os.mkfifo(self.tokens_path, 0o600)

    def open(self) -> None:
        """Opens the FIFO, which the mold has made, as a router does."""
        self._tokens = os.open(self.tokens_path, os.O_RDWR | os.O_NONBLOCK)

    def put(self, environ: Mapping[str, str] | None = None, body: bytes = b"", flags: int = 0) -> int:
        """Puts a request into the ring, whose stream is returned; the environ is added to the usual one."""
        return self.put_payload(request_payload({**ENVIRON, **(environ or {})}, body), flags)

    def put_payload(self, payload: bytes, flags: int = 0) -> int:
        """Puts octets into the ring, as they are."""
        slot = self._slot
        self._slot += -(-(SLOT.size + len(payload)) // SLOT_BYTES)
        assert self._slot <= SLOTS, "the ring is full: the file would grow"
        stream = self._counter * SLOTS + slot
        octets = SLOT.pack(stream, flags, len(payload), 0) + payload
        os.pwrite(self._ring, octets, SLOTS_AT + slot * SLOT_BYTES)
        return stream

    def give(self, stream: int, epoch: int | None = None) -> None:
        """Writes a token."""
        os.write(self._tokens, TOKEN.pack(stream, self.router, self.epoch if epoch is None else epoch))

    def issue(self, environ: Mapping[str, str] | None = None, body: bytes = b"", flags: int = 0) -> int:
        """Puts a request into the ring, and gives its token."""
        stream = self.put(environ, body, flags)
        self.give(stream)
        return stream

    def fill_place(self, place: int, body: bytes) -> None:
        """Puts a body into a place."""
        os.pwrite(self._ring, body, RING_BYTES + place * PLACE_BYTES)

    def issue_by_channel(self) -> int:
        """A request of which nothing is in the ring."""
        stream = self.put_payload(b"", BY_CHANNEL)
        self.give(stream)
        return stream

    def withdraw(self, stream: int) -> None:
        """Nobody is to begin it any more."""
        os.pwrite(self._ring, NUMBER.pack(0), SLOTS_AT + stream % SLOTS * SLOT_BYTES)

    def claimed(self, claim: int) -> int:
        """What the worker with this claim is busy with; 0: nothing."""
        (stream,) = NUMBER.unpack(os.pread(self._ring, NUMBER.size, CLAIMS_AT + claim * NUMBER.size))
        return int(stream)

    def wait_until_claimed(self, claim: int, stream: int) -> None:
        """Waits until a claim names a stream; 0: nothing."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (found := self.claimed(claim)) != stream:
            assert time.monotonic() < deadline, f"claim {claim} names {found}, want {stream}"
            time.sleep(LOOK_SECONDS)

    def tokens_left(self) -> list[int]:
        """The streams whose tokens nobody has read; they are taken out."""
        streams: list[int] = []
        while True:
            try:
                octets = os.read(self._tokens, TOKEN.size)
            except BlockingIOError:
                return streams
            streams.append(TOKEN.unpack(octets)[0])

    def replace(self) -> None:
        """This router dies, and another takes over the ring; the FIFO is open all the time."""
        self.epoch += 1
        self._counter += 1
        self._slot = 0
        write_header(self.ring_path, self.epoch)
        os.pwrite(self._ring, bytes(RING_BYTES - CLAIMS_AT), CLAIMS_AT)

    def close_tokens(self) -> None:
        """The end of the queue, as workers see it."""
        if self._tokens >= 0:
            os.close(self._tokens)
        self._tokens = -1

    def close(self) -> None:
        """Closes everything."""
        self.close_tokens()
        os.close(self._ring)

    def let_pull(self, channel: RouterEnd, claim: int) -> None:
        """Tells a worker that it may pull, with this claim."""
        channel.send(pull(self.epoch, claim))
