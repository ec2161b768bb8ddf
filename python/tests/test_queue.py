"""The worker's end of the shared queue, also against a ring that no code wrote (test/ring/README.md)."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tunicorn import frame
from tunicorn.channel import Channel
from tunicorn.queue import BY_CHANNEL, Admission, Pulled, Ring, Token, Tokens

from tests.helpers.deadlines import deadline
from tests.helpers.queue import CLAIMS, PLACE_BYTES, PLACED, PLACES, RING_BYTES, QueueEnd
from tests.helpers.router import RouterEnd

FOLDER: Final = Path(__file__).parents[2] / "test" / "ring"
RECORD: Final[dict[str, Any]] = json.loads((FOLDER / "ring.json").read_text())
FLAGS: Final = {"file-body": frame.FILE_BODY, "placed-body": frame.PLACED_BODY, "by-channel": BY_CHANNEL}

CLAIM: Final = 17


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """A reader that does not return would wait for ever."""
    with deadline():
        yield


def part(name: str) -> bytes:
    return (FOLDER / f"{name}.bin").read_bytes()


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The recorded ring."""
    path = tmp_path / "recorded"
    octets = bytearray(RECORD["octets"])
    for name, at in [("header", 0), *((request["name"], request["at"]) for request in RECORD["requests"])]:
        octets[at : at + len(part(name))] = part(name)
    for request in RECORD["requests"]:
        if "placed-body" in request["flags"]:
            body = request["body"].encode("latin-1")
            at = RECORD["places"]["at"]
            octets[at : at + len(body)] = body
    path.write_bytes(octets)
    return path


@pytest.fixture
def end(tmp_path: Path) -> Iterator[QueueEnd]:
    """The router's end of a queue."""
    end = QueueEnd(tmp_path)
    end.make_fifo()
    end.open()
    yield end
    end.close()


@pytest.fixture
def ring(end: QueueEnd) -> Iterator[Ring]:
    """A worker's end of the ring."""
    ring = Ring(str(end.ring_path), Admission(end.epoch, CLAIM))
    yield ring
    ring.close()


@pytest.fixture
def tokens(end: QueueEnd) -> Iterator[Tokens]:
    """A worker's end of the FIFO."""
    tokens = Tokens(str(end.tokens_path))
    yield tokens
    tokens.close()


class TestRecordedRing:
    @pytest.mark.parametrize("request_", RECORD["requests"], ids=lambda request: request["name"])
    def test_a_recorded_request_is_read(self, recorded: Path, request_: dict[str, Any]) -> None:
        ring = Ring(str(recorded), Admission(RECORD["epoch"], 0))
        pulled = ring.claim(request_["stream"])
        ring.close()
        assert pulled is not None
        flags = sum(FLAGS[name] for name in request_["flags"])
        assert (pulled.stream, pulled.flags) == (request_["stream"], flags)
        if flags != BY_CHANNEL:
            environ, body = frame.decode_request(pulled.payload)
            assert list(environ.items()) == [tuple(pair) for pair in request_["environ"]]
            assert (pulled.body or body) == request_["body"].encode("latin-1")

    def test_the_recorded_claim_is_stored(self, recorded: Path) -> None:
        claim = RECORD["claim"]
        before = recorded.read_bytes()
        ring = Ring(str(recorded), Admission(RECORD["epoch"], claim["number"]))
        ring.claim(claim["stream"])
        after = recorded.read_bytes()
        at, octets = claim["at"], part("claim")
        assert after[at : at + len(octets)] == octets
        ring.finish()
        ring.close()
        assert after[:at] + bytes(len(octets)) + after[at + len(octets) :] == before
        assert recorded.read_bytes() == before

    def test_the_recorded_tokens_are_read(self, end: QueueEnd, tokens: Tokens) -> None:
        writer = os.open(end.tokens_path, os.O_WRONLY)
        os.write(writer, part("tokens"))
        os.close(writer)
        expected = [(request["stream"], 0, RECORD["epoch"]) for request in RECORD["requests"]]
        assert [tokens.take() for _ in expected] == expected

    def test_the_helpers_of_these_tests_have_the_recorded_layout(self) -> None:
        assert RECORD["octets"] == RING_BYTES + RECORD["places"]["count"] * PLACE_BYTES


class TestAdmission:
    def test_it_is_read_from_the_recorded_frame(self) -> None:
        frames = FOLDER.parent / "frames"
        record = json.loads((frames / "frames.json").read_text())["pull"]
        payload = (frames / "pull.bin").read_bytes()[frame.HEADER_BYTES :]
        assert Admission.decode(payload) == (record["epoch"], record["claim"])


class TestRing:
    def test_a_request_is_claimed_and_finished(self, end: QueueEnd, ring: Ring) -> None:
        stream = end.put_payload(b"payload", flags=frame.FILE_BODY)
        assert ring.claim(stream) == Pulled(stream, frame.FILE_BODY, b"payload")
        assert end.claimed(CLAIM) == stream
        ring.finish()
        assert end.claimed(CLAIM) == 0

    @pytest.mark.parametrize("size", [0, 4080, 4081, 65_520])
    def test_a_request_comes_whole(self, end: QueueEnd, ring: Ring, size: int) -> None:
        end.put_payload(b"before")
        payload = bytes(number % 251 for number in range(size))
        stream = end.put_payload(payload)
        end.put_payload(b"behind")
        pulled = ring.claim(stream)
        assert pulled is not None
        assert pulled.payload == payload

    def test_the_largest_stream_and_the_last_slot_and_claim_are_used(
        self, end: QueueEnd, tmp_path: Path
    ) -> None:
        with end.ring_path.open("r+b") as file:
            file.seek(RING_BYTES - 4096)
            file.write(struct.pack("<IIII", 0xFFFF_FFFF, 0, 4, 0) + b"last")
        ring = Ring(str(end.ring_path), Admission(end.epoch, CLAIMS - 1))
        pulled = ring.claim(0xFFFF_FFFF)
        assert pulled is not None
        assert pulled.payload == b"last"
        assert end.claimed(CLAIMS - 1) == 0xFFFF_FFFF
        assert end.claimed(CLAIMS - 2) == 0
        ring.close()

    def test_a_stale_token_claims_nothing(self, end: QueueEnd, ring: Ring) -> None:
        stream = end.put()
        assert ring.claim(stream + 512) is None
        end.withdraw(stream)
        assert ring.claim(stream) is None
        assert end.claimed(CLAIM) == 0

    @pytest.mark.parametrize("happens", ["withdrawn", "replaced by another", "of another router"])
    def test_a_request_that_is_gone_when_its_claim_is_stored_is_not_begun(
        self, end: QueueEnd, ring: Ring, monkeypatch: pytest.MonkeyPatch, happens: str
    ) -> None:
        stream = end.put()
        seen: list[int] = []
        real = ring._units

        class MeanwhileElsewhere:
            """Between the worker's store and its second look."""

            def __getitem__(self, index: int) -> int:
                return real[index]

            def __setitem__(self, index: int, number: int) -> None:
                real[index] = number
                if not seen:
                    seen.append(end.claimed(CLAIM))
                    if happens == "of another router":
                        end.epoch += 1
                        with end.ring_path.open("r+b") as file:
                            file.seek(6)
                            file.write(struct.pack("<H", end.epoch))
                    else:
                        end.withdraw(stream)

            def release(self) -> None:
                real.release()

        monkeypatch.setattr(ring, "_units", MeanwhileElsewhere())
        assert ring.claim(stream) is None
        assert seen == [stream], "the router could see the claim"
        assert end.claimed(CLAIM) == 0

    def test_a_body_is_read_from_its_place(self, end: QueueEnd, ring: Ring) -> None:
        body = os.urandom(PLACE_BYTES)
        end.fill_place(0, b"another's")
        end.fill_place(PLACES - 1, body)
        stream = end.put(body=PLACED.pack(PLACES - 1, len(body)), flags=frame.PLACED_BODY)
        pulled = ring.claim(stream)
        assert pulled is not None
        assert pulled.body == body
        assert type(pulled.body) is bytes

    def test_a_body_may_lie_in_several_places(self, end: QueueEnd, ring: Ring) -> None:
        body = os.urandom(PLACES * PLACE_BYTES - 1)
        end.fill_place(0, body)
        pulled = ring.claim(end.put(body=PLACED.pack(0, len(body)), flags=frame.PLACED_BODY))
        assert pulled is not None
        assert pulled.body == body

    def test_a_body_that_was_given_up_while_it_was_read_is_not_begun(
        self, end: QueueEnd, ring: Ring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = end.put(body=PLACED.pack(0, 5), flags=frame.PLACED_BODY)
        end.fill_place(0, b"first")
        pread = os.pread

        def read_late(fd: int, size: int, offset: int) -> bytes:
            """The worker was stopped before it: its router has given the place to another body."""
            end.withdraw(stream)
            end.fill_place(0, b"other")
            return pread(fd, size, offset)

        monkeypatch.setattr(os, "pread", read_late)
        assert ring.claim(stream) is None
        monkeypatch.undo()
        assert end.claimed(CLAIM) == 0

    @pytest.mark.parametrize(("place", "size"), [(PLACES, 1), (1, PLACE_BYTES + 1)], ids=["number", "size"])
    def test_a_body_outside_of_the_places_breaks_the_protocol(
        self, end: QueueEnd, ring: Ring, place: int, size: int
    ) -> None:
        stream = end.put(body=PLACED.pack(place, size), flags=frame.PLACED_BODY)
        with pytest.raises(frame.ProtocolError, match=f"place {place} has .* want {size}"):
            ring.claim(stream)

    def test_claims_of_several_workers_do_not_touch(self, end: QueueEnd) -> None:
        rings = [Ring(str(end.ring_path), Admission(end.epoch, claim)) for claim in (3, 4, 5)]
        streams = [end.put() for _ in rings]
        for ring, stream in zip(rings, streams, strict=True):
            assert ring.claim(stream) is not None
        assert [end.claimed(claim) for claim in (3, 4, 5)] == streams
        rings[1].finish()
        assert [end.claimed(claim) for claim in (3, 4, 5)] == [streams[0], 0, streams[2]]
        for ring in rings:
            ring.close()

    def test_it_is_seen_that_another_router_has_taken_over(self, end: QueueEnd, ring: Ring) -> None:
        assert ring.is_others is False
        end.replace()
        assert ring.is_others is True

    def test_a_ring_of_a_router_before_is_known_as_such(self, end: QueueEnd) -> None:
        ring = Ring(str(end.ring_path), Admission(end.epoch - 1, CLAIM))
        stream = end.put()
        assert ring.is_others is True
        assert ring.claim(stream) is None
        ring.close()

    @pytest.mark.parametrize(("at", "octets"), [(0, b"tunX"), (4, b"\1\0")], ids=["magic", "version"])
    def test_what_is_no_ring_of_this_version_is_refused(self, end: QueueEnd, at: int, octets: bytes) -> None:
        with end.ring_path.open("r+b") as file:
            file.seek(at)
            file.write(octets)
        with pytest.raises(frame.ProtocolError, match="no ring of this version"):
            Ring(str(end.ring_path), Admission(end.epoch, CLAIM))

    def test_a_claim_that_is_not_there_is_refused(self, end: QueueEnd) -> None:
        with pytest.raises(frame.ProtocolError, match=f"has {CLAIMS} claims, not one of number {CLAIMS}"):
            Ring(str(end.ring_path), Admission(end.epoch, CLAIMS))

    def test_a_ring_that_was_closed_keeps_no_descriptor_open(self, end: QueueEnd, ring: Ring) -> None:
        before = len(os.listdir("/dev/fd"))
        further = Ring(str(end.ring_path), Admission(end.epoch, CLAIM))
        further.close()
        assert len(os.listdir("/dev/fd")) == before


class TestTokens:
    def test_tokens_are_taken_in_their_order(self, end: QueueEnd, tokens: Tokens) -> None:
        for stream in (513, 0xFFFF_FFFF):
            end.give(stream)
        end.give(514, epoch=0xFFFF)
        assert tokens.take() == (513, 0, end.epoch)
        assert tokens.take() == (0xFFFF_FFFF, 0, end.epoch)
        assert tokens.take() == (514, 0, 0xFFFF)

    def test_each_token_goes_to_one_reader(self, end: QueueEnd, tokens: Tokens) -> None:
        other = Tokens(str(end.tokens_path))
        for stream in range(600, 700):
            end.give(stream)
        taken = [reader.take() for _ in range(50) for reader in (tokens, other)]
        other.close()
        assert sorted(token[0] for token in taken if token is not None) == list(range(600, 700))

    def test_many_readers_lose_no_token_and_share_none(self, end: QueueEnd) -> None:
        readers = [Tokens(str(end.tokens_path)) for _ in range(8)]
        taken: list[int] = []

        def read(reader: Tokens) -> None:
            while (token := reader.take()) is not None:
                taken.append(token[0])

        threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        for stream in range(1000, 3000):
            end.give(stream)
        end.close_tokens()
        for thread in threads:
            thread.join()
        for reader in readers:
            reader.close()
        assert sorted(taken) == list(range(1000, 3000))

    def test_take_waits_for_a_token(self, end: QueueEnd, tokens: Tokens) -> None:
        taken: list[Token | None] = []
        thread = threading.Thread(target=lambda: taken.append(tokens.take()))
        thread.start()
        end.give(513)
        thread.join()
        assert taken == [(513, 0, end.epoch)]

    def test_the_end_comes_after_the_last_token(self, end: QueueEnd, tokens: Tokens) -> None:
        end.give(513)
        end.close_tokens()
        assert tokens.take() is not None
        assert tokens.is_ended is False
        assert tokens.take() is None
        assert tokens.is_ended is True

    def test_a_fifo_that_no_router_has_open_has_ended(self, end: QueueEnd) -> None:
        end.close_tokens()
        tokens = Tokens(str(end.tokens_path))
        assert tokens.take() is None
        assert tokens.is_ended is True
        tokens.close()

    def test_wake_from_a_signal_handler_ends_a_take_that_waits(self, tokens: Tokens) -> None:
        handler = signal.signal(signal.SIGUSR1, lambda _number, _frame: tokens.wake())
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            assert tokens.take() is None
        finally:
            timer.join()
            signal.signal(signal.SIGUSR1, handler)
        assert tokens.is_ended is False

    def test_wake_before_a_take_keeps_it_from_waiting(self, end: QueueEnd, tokens: Tokens) -> None:
        tokens.wake()
        assert tokens.take() is None
        assert tokens.is_ended is False
        end.give(513)
        assert tokens.take() is not None

    def test_wake_of_what_is_closed_does_nothing(self, end: QueueEnd) -> None:
        # A signal may come in the moment in which a thread has done with its queue.
        tokens = Tokens(str(end.tokens_path))
        tokens.close()
        tokens.wake()

    def test_waking_one_reader_wakes_no_other(self, end: QueueEnd, tokens: Tokens) -> None:
        # The flag is of an open file, which processes that are forked would share.
        other = Tokens(str(end.tokens_path))
        other.wake()
        assert os.get_blocking(tokens._file.fileno())
        other.close()

    def test_a_program_that_the_application_starts_does_not_inherit_it(self, tokens: Tokens) -> None:
        assert os.get_inheritable(tokens._file.fileno()) is False


class TestTakeOrHear:
    @pytest.fixture
    def router(self) -> Iterator[RouterEnd]:
        router, worker = socket.socketpair()
        self.channel = Channel(worker)
        end = RouterEnd(router)
        yield end
        end.close()
        self.channel.close()

    def test_a_token_is_taken(self, end: QueueEnd, tokens: Tokens, router: RouterEnd) -> None:
        end.give(513)
        assert tokens.take_or_hear([self.channel]) == (513, 0, end.epoch)

    def test_a_frame_ends_the_wait(self, tokens: Tokens, router: RouterEnd) -> None:
        router.drain()
        assert tokens.take_or_hear([self.channel]) is None
        assert tokens.is_ended is False

    def test_the_end_of_a_channel_ends_the_wait(self, tokens: Tokens, router: RouterEnd) -> None:
        router.close()
        assert tokens.take_or_hear([self.channel]) is None
        assert tokens.is_ended is False

    def test_the_end_of_the_queue_ends_the_wait(
        self, end: QueueEnd, tokens: Tokens, router: RouterEnd
    ) -> None:
        end.close_tokens()
        assert tokens.take_or_hear([self.channel]) is None
        assert tokens.is_ended is True

    def test_a_token_that_another_has_taken_meanwhile_is_not_waited_for(
        self, end: QueueEnd, tokens: Tokens, router: RouterEnd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        end.give(513)
        thief = Tokens(str(end.tokens_path))
        take = tokens.take

        def take_late() -> Token | None:
            thief.take()
            return take()

        monkeypatch.setattr(tokens, "take", take_late)
        assert tokens.take_or_hear([self.channel]) is None
        thief.close()
