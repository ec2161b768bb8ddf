"""Workers with greenlets: what they say for the requests that the router gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartWorker
from tests.helpers.router import END, ENVIRON, REQUEST, RESPONSE, encode, request_payload

APPLICATION = """
import time

def application(environ, start_response):
    # Longer than what is ready waits for what else comes.
    end = time.monotonic() + 0.005
    while time.monotonic() < end:
        pass
    if environ["PATH_INFO"] == "/second":
        open("gate").close()
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]
"""


@pytest.mark.parametrize("worker_class", ["gevent", "eventlet"])
def test_an_answer_does_not_wait_for_those_that_came_with_it(
    start_worker: StartWorker, blocking_gate: Path, worker_class: str
) -> None:
    channel = start_worker(APPLICATION, worker_class=worker_class).channel
    both = [
        encode(REQUEST, number, request_payload({**ENVIRON, "PATH_INFO": path}), END)
        for number, path in enumerate(("/first", "/second"), 1)
    ]
    channel.send(b"".join(both))
    assert channel.expect(RESPONSE).body == b"/first"
    blocking_gate.open("w").close()
    assert channel.expect(RESPONSE).body == b"/second"
