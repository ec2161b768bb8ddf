"""The sync worker that pulls its requests from the shared queue."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tunicorn import frame

from tests.conftest import PullingWorker, StartPullingWorker
from tests.helpers.deadlines import AT_ONCE_SECONDS
from tests.helpers.mold import MoldProcess
from tests.helpers.queue import SLOTS, pull
from tests.helpers.router import (
    END,
    ENVIRON,
    FAILED,
    FETCH,
    HELLO,
    LAST,
    LEAVING,
    READY,
    REQUEST,
    RESPONSE,
    RouterEnd,
    RouterListener,
    body_of,
    encode,
    request_payload,
)

CLAIM = 17

#: The path says how: with the body of the request, with a wait at the gate before the answer or behind it.
APPLICATION = """
import sys


def application(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [])
    if path == "/wait":
        wait()
    if path == "/exit":
        sys.exit(9)
    if path == "/late":
        return Late()
    return [path.encode(), environ["wsgi.input"].read()]


class Late:
    def __iter__(self):
        return iter([b"late"])

    def close(self):
        wait()


def wait():
    with open("gate", "rb") as gate:
        gate.read()
"""


@pytest.fixture
def worker(start_pulling_worker: StartPullingWorker) -> PullingWorker:
    """A worker that pulls."""
    worker = start_pulling_worker(APPLICATION)
    worker.queue.let_pull(worker.channel, CLAIM)
    return worker


def answer_to(channel: RouterEnd, stream: int) -> bytes:
    """Waits for the whole answer, which is all that the worker says."""
    frames = channel.receive_response()
    assert {received.stream for received in frames} == {stream}
    assert frames[-1].flags == END
    return body_of(frames)


def serve_one(worker: PullingWorker, path: str = "/path") -> None:
    stream = worker.queue.issue({"PATH_INFO": path})
    assert answer_to(worker.channel, stream) == path.encode()


class TestRequests:
    def test_a_worker_with_a_queue_says_that_it_pulls_and_waits_until_it_may(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        mold.queue_directory = mold.folder / "queue"
        mold.queue_directory.mkdir()
        (mold.folder / "app.py").write_text(APPLICATION)
        mold.configure()
        mold.fork(12)
        channel = router.accept()
        hello = channel.receive_hello()
        assert (hello["worker"], hello["generation"], hello["isPulling"]) == (12, 7, True)
        channel.expect(READY)
        # Without the word of the router there need not even be a ring.
        channel.drain()
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_one_request_is_answered_after_another_without_a_word_between(
        self, worker: PullingWorker
    ) -> None:
        for number in range(3):
            serve_one(worker, f"/{number}")

    def test_what_waits_in_the_queue_is_taken_when_the_worker_may_pull(
        self, start_pulling_worker: StartPullingWorker
    ) -> None:
        worker = start_pulling_worker(APPLICATION)
        streams = [worker.queue.issue({"PATH_INFO": f"/{number}"}) for number in range(2)]
        worker.queue.let_pull(worker.channel, CLAIM)
        for number, stream in enumerate(streams):
            assert answer_to(worker.channel, stream) == f"/{number}".encode()

    def test_a_request_and_its_body_come_whole(self, worker: PullingWorker) -> None:
        body = os.urandom(60_000)
        stream = worker.queue.issue({"PATH_INFO": "/", "CONTENT_LENGTH": str(len(body))}, body)
        assert answer_to(worker.channel, stream) == b"/" + body

    def test_a_body_in_a_file_is_read_from_there(self, mold: MoldProcess, worker: PullingWorker) -> None:
        path = mold.folder / "body"
        path.write_bytes(b"from the file")
        environ = {"PATH_INFO": "/", "CONTENT_LENGTH": "13"}
        stream = worker.queue.issue(environ, str(path).encode(), frame.FILE_BODY)
        assert answer_to(worker.channel, stream) == b"/from the file"

    def test_a_request_that_is_not_in_the_ring_is_fetched(self, worker: PullingWorker) -> None:
        stream = worker.queue.issue_by_channel()
        assert worker.channel.expect(FETCH).stream == stream
        body = os.urandom(300_000)
        payload = request_payload({**ENVIRON, "PATH_INFO": "/", "CONTENT_LENGTH": "300000"}, body)
        worker.channel.send(encode(REQUEST, stream, payload, END))
        assert answer_to(worker.channel, stream) == b"/" + body

    def test_a_request_whose_client_leaves_as_it_is_fetched_is_not_begun(self, worker: PullingWorker) -> None:
        worker.channel.cancel(worker.queue.issue_by_channel())
        worker.channel.expect(FETCH)
        serve_one(worker)

    def test_a_stale_token_is_nothing(self, worker: PullingWorker) -> None:
        stream = worker.queue.put({"PATH_INFO": "/never"})
        worker.queue.withdraw(stream)
        worker.queue.give(stream)
        serve_one(worker)

    def test_the_claim_tells_of_what_the_worker_is_busy_with_until_nothing_is_left_to_do(
        self, worker: PullingWorker, blocking_gate: Path
    ) -> None:
        stream = worker.queue.issue({"PATH_INFO": "/late"})
        assert answer_to(worker.channel, stream) == b"late"
        assert worker.queue.claimed(CLAIM) == stream, "it hangs in close()"
        with blocking_gate.open("wb"):
            pass
        worker.queue.wait_until_claimed(CLAIM, 0)

    def test_an_application_that_exits_ends_its_worker_which_does_not_say_that_it_holds_nothing(
        self, mold: MoldProcess, worker: PullingWorker
    ) -> None:
        stream = worker.queue.issue({"PATH_INFO": "/exit"})
        failed = worker.channel.expect(FAILED)
        assert (failed.stream, failed.flags) == (stream, END | LAST)
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 9
        assert worker.queue.claimed(CLAIM) == stream

    def test_a_request_that_cannot_be_read_ends_the_worker_with_its_claim(
        self, mold: MoldProcess, worker: PullingWorker
    ) -> None:
        # Else the router would give it to the next worker, and to the next.
        stream = worker.queue.put_payload(b"\xff\xff\xff\xff")
        worker.queue.give(stream)
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] != 0
        assert worker.queue.claimed(CLAIM) == stream


class TestLeaving:
    def test_an_idle_worker_that_is_told_to_leave_asks_serves_on_and_goes_when_it_may(
        self, mold: MoldProcess, worker: PullingWorker
    ) -> None:
        serve_one(worker)
        os.kill(worker.pid, signal.SIGTERM)
        worker.channel.expect(LEAVING)
        serve_one(worker)
        worker.channel.drain()
        assert worker.channel.expect(READY).flags == LAST
        worker.channel.expect_end()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (0, None, None)

    def test_a_busy_worker_answers_first(self, worker: PullingWorker, blocking_gate: Path) -> None:
        stream = worker.queue.issue({"PATH_INFO": "/wait"})
        with blocking_gate.open("wb"):
            os.kill(worker.pid, signal.SIGTERM)
        assert answer_to(worker.channel, stream) == b"/wait"
        worker.channel.expect(LEAVING)
        worker.channel.drain()
        assert worker.channel.expect(READY).flags == LAST
        worker.channel.expect_end()

    def test_a_worker_that_leaves_does_so_however_many_requests_wait(self, worker: PullingWorker) -> None:
        os.kill(worker.pid, signal.SIGTERM)
        worker.channel.expect(LEAVING)
        worker.channel.drain()
        streams = [worker.queue.issue() for _ in range(SLOTS)]
        while (received := worker.channel.receive()) is not None and received.kind == RESPONSE:
            pass
        assert received is not None
        assert (received.kind, received.flags) == (READY, LAST)
        worker.channel.expect_end()
        assert streams[-1] in worker.queue.tokens_left()

    def test_the_end_of_the_queue_and_the_word_of_the_router_let_it_go_when_the_queue_is_empty(
        self, mold: MoldProcess, worker: PullingWorker
    ) -> None:
        # What is in a FIFO that nobody has open is gone.
        serve_one(worker)
        streams = [worker.queue.issue({"PATH_INFO": "/left"}) for _ in range(3)]
        worker.queue.close_tokens()
        for stream in streams:
            assert answer_to(worker.channel, stream) == b"/left"
        worker.channel.drain()
        assert worker.channel.expect(READY).flags == LAST
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_a_worker_that_may_pull_when_the_queue_is_gone_already_waits_for_the_word_to_leave(
        self, mold: MoldProcess, start_pulling_worker: StartPullingWorker
    ) -> None:
        worker = start_pulling_worker(APPLICATION)
        # A router closes its end before the arbiter removes the name.
        worker.queue.close_tokens()
        worker.queue.tokens_path.unlink()
        worker.queue.let_pull(worker.channel, CLAIM)
        worker.channel.drain()
        assert worker.channel.expect(READY).flags == LAST
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_term_once_more_does_not_end_a_worker_that_leaves_already(
        self, mold: MoldProcess, start_pulling_worker: StartPullingWorker
    ) -> None:
        hook = """
import signal


def worker_exit(server, worker):
    signal.raise_signal(signal.SIGTERM)
    worker.log.info("worker_exit goes on")
"""
        worker = start_pulling_worker(APPLICATION, hook)
        worker.queue.let_pull(worker.channel, CLAIM)
        os.kill(worker.pid, signal.SIGTERM)
        worker.channel.expect(LEAVING)
        worker.channel.drain()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"]) == (0, None)
        assert "worker_exit goes on" in mold.stderr

    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_worker_leaves_after_max_requests_and_leaves_the_rest_in_the_queue(
        self, mold: MoldProcess, start_pulling_worker: StartPullingWorker, limit: int
    ) -> None:
        worker = start_pulling_worker(APPLICATION, max_requests=limit)
        streams = [worker.queue.issue() for _ in range(limit + 2)]
        worker.queue.let_pull(worker.channel, CLAIM)
        answered: list[int] = []
        while (received := worker.channel.receive()) is not None:
            if received.kind == RESPONSE:
                answered.append(received.stream)
            elif received.kind == LEAVING:
                worker.channel.drain()
        assert answered[:limit] == streams[:limit]
        assert mold.expect("worker-exited")["status"] == 0
        assert worker.queue.tokens_left() == streams[len(answered) :]


class TestRouters:
    def test_a_worker_dials_the_next_router_and_pulls_from_its_queue(
        self, router: RouterListener, worker: PullingWorker
    ) -> None:
        serve_one(worker)
        worker.channel.close()
        worker.queue.close_tokens()
        worker.queue.replace()
        channel = router.accept()
        worker.queue.open()
        channel.receive_hello()
        channel.expect(READY)
        channel.send(pull(worker.queue.epoch, CLAIM + 1))
        serve_one(worker._replace(channel=channel))
        worker.queue.wait_until_claimed(CLAIM + 1, 0)

    def test_a_worker_that_missed_the_change_dials_the_router_whose_token_it_takes(
        self, router: RouterListener, worker: PullingWorker
    ) -> None:
        serve_one(worker)
        worker.channel.close()
        worker.queue.replace()
        stream = worker.queue.issue({"PATH_INFO": "/next"})
        channel = router.accept()
        assert channel.receive_hello()["isPulling"] is True
        channel.expect(READY)
        channel.send(pull(worker.queue.epoch, CLAIM + 1))
        assert answer_to(channel, stream) == b"/next"

    def test_a_worker_that_leaves_gives_the_token_of_a_next_router_back(
        self, mold: MoldProcess, router: RouterListener, worker: PullingWorker, blocking_gate: Path
    ) -> None:
        stream = worker.queue.issue({"PATH_INFO": "/wait"})
        with blocking_gate.open("wb"):
            os.kill(worker.pid, signal.SIGTERM)
            worker.queue.replace()
            stream = worker.queue.issue()
        mold.set_deadline(AT_ONCE_SECONDS)
        assert mold.expect("worker-exited")["status"] == 0
        assert worker.queue.tokens_left() == [stream]

    def test_a_worker_whose_channel_was_closed_takes_one_request_at_most_before_it_dials(
        self, router: RouterListener, worker: PullingWorker
    ) -> None:
        # The router thinks that it broke the protocol, and goes on.
        worker.channel.close()
        streams = [worker.queue.issue({"PATH_INFO": f"/{number}"}) for number in range(3)]
        channel = router.accept()
        received = channel.receive()
        assert received is not None
        assert received.kind == HELLO
        channel.expect(READY)
        assert worker.queue.claimed(CLAIM) == streams[0]
        channel.send(pull(worker.queue.epoch, CLAIM + 1))
        assert answer_to(channel, streams[1]) == b"/1"

    @pytest.mark.parametrize("breach", ["claim", "ring"])
    def test_a_router_that_breaks_the_protocol_ends_the_worker(
        self, mold: MoldProcess, start_pulling_worker: StartPullingWorker, breach: str
    ) -> None:
        worker = start_pulling_worker(APPLICATION)
        if breach == "ring":
            worker.queue.ring_path.write_bytes(bytes(100_000))
        worker.queue.let_pull(worker.channel, 4096 if breach == "claim" else CLAIM)
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] != 0
        assert "ProtocolError: " in mold.stderr
