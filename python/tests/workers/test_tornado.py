"""The tornado worker: what it says to the router for a request, and what its handlers find in theirs."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartWorker
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import (
    BODY,
    END,
    FAILED,
    READY,
    REQUEST_BODY,
    RESPONSE,
    WINDOW,
    WINDOW_BYTES,
    RouterEnd,
    RouterListener,
    encode,
    response_of,
    window_of,
)

HOST = [("host", "a")]

PRELUDE = """
import asyncio
import os
import tornado.web

async def gate():
    while not os.path.exists("gate"):
        await asyncio.sleep(0.01)

"""


def start(start_worker: StartWorker, handler: str) -> RouterEnd:
    """Starts a worker whose application is the class Handler."""
    source = f"{PRELUDE}{handler}\napplication = tornado.web.Application([('/.*', Handler)])\n"
    channel: RouterEnd = start_worker(source, worker_class="tornado").channel
    return channel


def test_it_takes_requests_as_an_asgi_worker_does(mold: MoldProcess, router: RouterListener) -> None:
    (mold.folder / "app.py").write_text("def application(request): ...\n")
    mold.configure("-", worker_class="tornado", worker_connections=7)
    mold.fork()
    channel = router.accept()
    assert channel.receive_hello()["multiplexing"] == {"credit": 7, "interface": "asgi"}
    channel.expect(READY)


def test_a_whole_answer_is_one_frame_with_the_reason_and_the_spelling_of_the_handler(
    start_worker: StartWorker,
) -> None:
    channel = start(
        start_worker,
        """
class Handler(tornado.web.RequestHandler):
    def get(self):
        self.set_status(299, "Quite well")
        self.set_header("X-Some-Name", "caf\\u00e9")
        self.write("whole")
""",
    )
    channel.asgi_request("/", headers=HOST)
    answer = channel.expect(RESPONSE)
    head = response_of(answer)
    assert (head.status, head.reason, head.content_length) == (299, "Quite well", 5)
    assert "X-Some-Name: café\r\n" in head.field_lines
    assert (answer.flags, head.body) == (END, b"whole")


def test_a_flush_is_over_when_the_router_has_room_for_more(
    start_worker: StartWorker, mold: MoldProcess
) -> None:
    channel = start(
        start_worker,
        """
class Handler(tornado.web.RequestHandler):
    async def get(self):
        self.write(b"x" * 200_000)
        await self.flush()
        open("flushed", "w").close()
        self.write(b"last")
""",
    )
    channel.asgi_request("/", headers=HOST)
    first = response_of(channel.expect(RESPONSE))
    assert len(first.body) == WINDOW_BYTES
    assert not (mold.folder / "flushed").exists()
    channel.give_room(100_000)
    assert len(channel.expect(BODY).payload) == 200_000 - WINDOW_BYTES
    wait_for_file(mold.folder / "flushed")
    last = channel.expect(BODY)
    assert (last.payload, last.flags) == (b"last", END)


def test_answers_that_wait_for_a_router_that_is_busy_all_reach_it(
    start_worker: StartWorker, mold: MoldProcess
) -> None:
    channel = start(
        start_worker,
        """
class Handler(tornado.web.RequestHandler):
    def get(self):
        for _ in range(4):
            self.write(b"x" * 25_000)
            self.flush()

    def on_finish(self):
        open("done" + self.request.path.strip("/"), "w").close()
""",
    )
    numbers = range(1, 21)
    for number in numbers:
        channel.asgi_request(f"/{number}", number, headers=HOST)
    for number in numbers:
        wait_for_file(mold.folder / f"done{number}")
    ended = [channel.receive_until_end()[-1].stream for _ in numbers]
    assert sorted(ended) == list(numbers)


def test_the_router_is_given_room_for_a_body_as_its_handler_takes_it(
    start_worker: StartWorker, gate: Path
) -> None:
    channel = start(
        start_worker,
        """
@tornado.web.stream_request_body
class Handler(tornado.web.RequestHandler):
    length = 0

    async def data_received(self, chunk):
        await gate()
        self.length += len(chunk)

    def put(self):
        self.write(str(self.length))
""",
    )
    channel.asgi_request("/", flags=0, method="PUT", headers=HOST)
    half = WINDOW_BYTES // 2
    channel.send(encode(REQUEST_BODY, 1, b"x" * half))
    gate.touch()
    assert window_of(channel.expect(WINDOW)) == half
    channel.send(encode(REQUEST_BODY, 1, b"end", flags=END))
    assert response_of(channel.expect(RESPONSE)).body == str(half + 3).encode()


def test_a_client_that_leaves_frees_its_place_at_once_whatever_its_handler_does(
    start_worker: StartWorker, mold: MoldProcess
) -> None:
    channel = start(
        start_worker,
        """
class Handler(tornado.web.RequestHandler):
    async def get(self):
        open("began", "w").close()
        await gate()

    def on_connection_close(self):
        open("left", "w").close()
""",
    )
    channel.asgi_request("/", headers=HOST)
    wait_for_file(mold.folder / "began")
    channel.cancel(1)
    ended = channel.expect(FAILED)
    assert (ended.stream, ended.flags) == (1, END)
    wait_for_file(mold.folder / "left")
