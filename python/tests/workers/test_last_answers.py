"""A worker that multiplexes leaves: what the router has not taken by then must not be lost with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartWorker
from tests.helpers.asgi import application
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import END, ENVIRON, REQUEST, asgi_payload, encode, request_payload

#: Together more than a socket holds, each less than its window.
BODY_BYTES = 100_000
REQUESTS = range(1, 21)

ASGI = application(f"""
async def handle(scope, receive, send):
    await gate()
    await start(send)
    await body(send, b"x" * {BODY_BYTES})
    open("done" + scope["path"].strip("/"), "w").close()
""")

WSGI = f"""
import os
import time

class Body(list):
    def close(self):
        open("done" + self.number, "w").close()

def application(environ, start_response):
    while not os.path.exists("gate"):
        time.sleep(0.01)
    start_response("200 OK", [])
    answer = Body([b"x" * {BODY_BYTES}])
    answer.number = environ["PATH_INFO"].strip("/")
    return answer
"""


@pytest.mark.parametrize("worker_class", ["asgi", "gevent", "eventlet"])
def test_it_leaves_when_the_router_has_taken_its_last_answers(
    mold: MoldProcess, start_worker: StartWorker, gate: Path, worker_class: str
) -> None:
    is_asgi = worker_class == "asgi"
    channel = start_worker(ASGI if is_asgi else WSGI, worker_class=worker_class).channel
    for number in REQUESTS:
        path = f"/{number}"
        payload = asgi_payload(path) if is_asgi else request_payload({**ENVIRON, "PATH_INFO": path})
        channel.send(encode(REQUEST, number, payload, END))
    channel.drain()
    channel.wait_until_handled()
    gate.touch()
    for number in REQUESTS:
        wait_for_file(mold.folder / f"done{number}")
    # What a router says of the answers that it has passed on; it gives a channel up that takes nothing.
    channel.give_room(BODY_BYTES)
    bodies = dict.fromkeys(REQUESTS, 0)
    for _ in REQUESTS:
        for received in channel.receive_until_end():
            bodies[received.stream] += len(received.body)
    assert bodies == dict.fromkeys(REQUESTS, BODY_BYTES)
    channel.expect_end()
    assert mold.expect("worker-exited")["status"] == 0
