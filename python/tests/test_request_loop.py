"""A worker's loop between several routers, which the test plays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.puller import QueuePlace
from tunicorn.request_loop import RequestLoop
from tunicorn.server import Server
from tunicorn.waker import Waker
from tunicorn.workers.base import Worker

from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.queue import QueueEnd, pull
from tests.helpers.router import (
    DRAIN,
    END,
    ENVIRON,
    HELLO,
    LAST,
    LEAVING,
    READY,
    REQUEST,
    RESPONSE,
    TAKES_MORE,
    RouterEnd,
    RouterListener,
    encode,
    request_payload,
)
from tests.helpers.wsgi_types import Environ, StartResponse


def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]


class Playing:
    """A loop in a thread, and the routers that it has dialled."""

    def __init__(self, folder: Path, logger: Logger, count: int, place: QueuePlace | None) -> None:
        self.listeners = [RouterListener(folder / f"channel-{number}") for number in range(count)]
        cfg = Config(
            {"workers": 1, "threads": 1, "max_requests": 0, "max_requests_jitter": 0, "timeout": 30}, {}
        )
        self.worker = Worker.make(Server(cfg, logger, os.getpid()), 3, application)
        self.worker.ppid = os.getppid()
        self.worker.queue_place = place
        self.loop = RequestLoop(self.worker, 2, Waker())
        paths = [str(listener.path) for listener in self.listeners]
        self.thread = threading.Thread(target=self.loop.run, args=(paths,), daemon=True)
        self.thread.start()
        self.routers = [self.accept(number) for number in range(count)]

    def accept(self, number: int) -> RouterEnd:
        """The worker dials this router."""
        router = self.listeners[number].accept()
        router.expect(HELLO)
        router.expect(READY)
        return router

    def wait(self) -> None:
        """Waits for the end of the loop."""
        self.thread.join(DEADLINE_SECONDS)
        assert not self.thread.is_alive()

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()


Play = Callable[..., Playing]


@pytest.fixture
def play(short_folder: Path, logger: Logger) -> Iterator[Play]:
    playing: list[Playing] = []

    def start(count: int, place: QueuePlace | None = None) -> Playing:
        playing.append(Playing(short_folder, logger, count, place))
        return playing[-1]

    yield start
    for each in playing:
        each.close()


@pytest.fixture
def queues(short_folder: Path) -> Iterator[list[QueueEnd]]:
    """The queue of two routers, which share a FIFO."""
    ends = [QueueEnd(short_folder, router=number) for number in range(2)]
    ends[0].make_fifo()
    for end in ends:
        end.open()
    yield ends
    for end in ends:
        end.close()


def place_of(queues: list[QueueEnd]) -> QueuePlace:
    return QueuePlace(tuple(str(end.ring_path) for end in queues), str(queues[0].tokens_path))


def request(stream: int, path: str) -> bytes:
    return encode(REQUEST, stream, request_payload({**ENVIRON, "PATH_INFO": path}), END)


def test_requests_are_answered_over_the_channels_that_they_came_over(play: Play) -> None:
    playing = play(3)
    for number in (1, 0, 2, 1):
        router = playing.routers[number]
        router.send(request(5, f"/{number}"))
        (answer,) = router.receive_response()
        assert (answer.stream, answer.flags, answer.body) == (5, END | TAKES_MORE, f"/{number}".encode())


def test_frames_that_come_together_are_all_heard(play: Play) -> None:
    playing = play(2)
    playing.routers[1].send(request(1, "/a") + request(2, "/b") + encode(DRAIN))
    answers = [playing.routers[1].expect(RESPONSE) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"/a", b"/b"]
    playing.wait()
    for router in playing.routers:
        router.expect_end()


def test_the_word_of_one_router_lets_the_worker_go_which_tells_all(
    play: Play, queues: list[QueueEnd]
) -> None:
    playing = play(2, place_of(queues))
    # PULL and DRAIN in one piece, and a queue that ends before the second is looked at.
    for end in queues:
        end.close_tokens()
    playing.routers[0].send(pull(queues[0].epoch, 1))
    playing.routers[1].send(pull(queues[1].epoch, 2) + encode(DRAIN))
    playing.wait()
    for router in playing.routers:
        while (received := router.receive()) is not None:
            assert (received.kind, received.flags) == (READY, LAST)


def test_a_worker_that_waits_for_a_frame_asks_to_leave_when_it_is_woken(play: Play) -> None:
    playing = play(2)
    playing.worker.alive = False
    playing.loop.wake()
    for router in playing.routers:
        router.expect(LEAVING)
    # It serves on until it may go.
    playing.routers[0].send(request(1, "/a"))
    playing.routers[0].expect(RESPONSE)
    playing.routers[1].drain()
    playing.wait()


def test_a_worker_that_waits_for_a_token_asks_to_leave_when_it_is_woken(
    play: Play, queues: list[QueueEnd]
) -> None:
    playing = play(2, place_of(queues))
    for claim, (router, end) in enumerate(zip(playing.routers, queues, strict=True)):
        router.send(pull(end.epoch, claim))
    stream = queues[1].issue({"PATH_INFO": "/pulled"})
    assert playing.routers[1].expect(RESPONSE).stream == stream
    playing.worker.alive = False
    playing.loop.wake()
    # A signal would end the wait itself, which belongs to the main thread alone.
    queues[0].issue()
    for router in playing.routers:
        frames = [router.receive()]
        while frames[-1] is not None and frames[-1].kind == RESPONSE:
            frames.append(router.receive())
        assert frames[-1] is not None
        assert frames[-1].kind == LEAVING
    playing.routers[1].drain()
    playing.wait()


def test_a_router_that_goes_is_dialled_again_while_the_others_go_on(play: Play) -> None:
    playing = play(2)
    playing.routers[0].close()
    router = playing.accept(0)
    for channel in (router, playing.routers[1]):
        channel.send(request(1, "/a"))
        assert channel.expect(RESPONSE).body == b"/a"


def test_a_worker_that_leaves_and_has_lost_a_router_goes_and_takes_no_token_with_it(
    play: Play, queues: list[QueueEnd]
) -> None:
    playing = play(2, place_of(queues))
    for claim, (router, end) in enumerate(zip(playing.routers, queues, strict=True)):
        router.send(pull(end.epoch, claim))
    stream = queues[0].issue()
    assert playing.routers[0].expect(RESPONSE).stream == stream
    playing.worker.alive = False
    queues[1].replace()
    stream = queues[1].issue()
    playing.wait()
    assert queues[1].tokens_left() == [stream]
