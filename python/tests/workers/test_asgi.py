"""The asgi worker: its life, and what it says for the requests that the router gives it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import StartAsgi
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import (
    END,
    FAILED,
    LEAVING,
    READY,
    REQUEST,
    RESPONSE,
    RouterEnd,
    RouterListener,
    asgi_payload,
    encode,
)


class TestLife:
    def test_it_says_how_many_requests_it_takes(self, mold: MoldProcess, router: RouterListener) -> None:
        (mold.folder / "app.py").write_text("async def application(scope, receive, send): ...\n")
        mold.configure("-", worker_class="asgi", worker_connections=7)
        mold.fork()
        channel = router.accept()
        assert channel.receive_hello()["multiplexing"] == {"credit": 7, "interface": "asgi"}
        channel.expect(READY)

    def test_it_handles_requests_side_by_side(self, start_asgi: StartAsgi, gate: Path) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    if scope["path"] == "/wait":
        await gate()
    await start(send)
    await body(send, scope["path"].encode())
""").channel
        channel.asgi_request("/wait", 1)
        channel.asgi_request("/quick", 2)
        answered = channel.expect(RESPONSE)
        assert (answered.stream, answered.body, answered.flags) == (2, b"/quick", END)
        gate.touch()
        answered = channel.expect(RESPONSE)
        assert (answered.stream, answered.body) == (1, b"/wait")

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_an_answer_does_not_wait_for_those_that_came_with_it(
        self, start_asgi: StartAsgi, blocking_gate: Path, loop: str
    ) -> None:
        channel = start_asgi(
            """
import time

async def handle(scope, receive, send):
    # Longer than what is ready waits for what else comes.
    end = time.monotonic() + 0.005
    while time.monotonic() < end:
        pass
    if scope["path"] == "/second":
        open("gate").close()
    await start(send)
    await body(send, scope["path"].encode())
""",
            asgi_loop=loop,
        ).channel
        both = [
            encode(REQUEST, n, asgi_payload(path), END) for n, path in enumerate(("/first", "/second"), 1)
        ]
        channel.send(b"".join(both))
        assert channel.expect(RESPONSE).body == b"/first"
        blocking_gate.open("w").close()
        assert channel.expect(RESPONSE).body == b"/second"

    def test_it_shows_that_its_loop_turns_while_a_request_is_under_way(
        self, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("async def handle(*_): await gate()").channel
        channel.asgi_request("/", 1)
        channel.wait_until_handled()
        gate.touch()

    def test_after_drain_it_finishes_what_it_has_and_leaves(
        self, mold: MoldProcess, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await gate()
    await start(send)
    await body(send, b"done")
""").channel
        channel.asgi_request("/", 1)
        channel.drain()
        channel.wait_until_handled()
        gate.touch()
        assert channel.expect(RESPONSE).body == b"done"
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_after_drain_it_waits_for_calls_whose_response_is_complete(
        self, mold: MoldProcess, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send)
    await gate()
    open("afterwards", "w").close()
""").channel
        channel.asgi_request("/", 1)
        channel.expect(RESPONSE)
        channel.drain()
        channel.wait_until_handled()
        gate.touch()
        channel.expect_end()
        mold.expect("worker-exited")
        assert (mold.folder / "afterwards").exists()

    def test_a_call_that_hangs_is_cancelled_when_graceful_timeout_is_over_and_named(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi(
            """
async def handle(scope, receive, send):
    try:
        await asyncio.sleep(600)
    finally:
        open("cleaned-up", "w").close()
""",
            graceful_timeout=0,
        ).channel
        channel.asgi_request("/hang?a=b", 1)
        channel.drain()
        assert channel.expect(FAILED).flags == END
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0
        assert "graceful_timeout is over: cancelling GET /hang?a=b" in mold.stderr
        assert (mold.folder / "cleaned-up").exists()

    def test_a_task_that_outlives_everything_is_cancelled_and_named(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
tasks = set()

async def forever():
    await asyncio.sleep(600)

async def handle(scope, receive, send):
    tasks.add(asyncio.create_task(forever()))
    await start(send)
    await body(send)
""").channel
        channel.asgi_request("/", 1)
        channel.expect(RESPONSE)
        channel.drain()
        channel.expect_end()
        mold.expect("worker-exited")
        assert "Cancelling 1 task that the application has left: forever" in mold.stderr
        assert "destroyed" not in mold.stderr

    def test_it_asks_to_leave_once_when_max_requests_are_there_and_serves_on(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        handler = "async def handle(scope, receive, send):\n    await start(send)\n    await body(send)\n"
        channel = start_asgi(handler, max_requests=2).channel
        channel.asgi_request("/", 1)
        channel.expect(RESPONSE)
        channel.asgi_request("/", 2)
        channel.expect(LEAVING)
        channel.expect(RESPONSE)
        channel.asgi_request("/", 3)
        assert channel.expect(RESPONSE).stream == 3
        channel.drain()
        channel.expect_end()
        assert "Autorestarting worker" in mold.stderr

    def test_term_makes_it_ask_to_leave(self, start_asgi: StartAsgi) -> None:
        worker = start_asgi("async def handle(*_): ...")
        os.kill(worker.pid, signal.SIGTERM)
        worker.channel.expect(LEAVING)
        worker.channel.drain()
        worker.channel.expect_end()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
    def test_int_and_quit_end_it_at_once_with_a_line_and_the_hook(
        self, mold: MoldProcess, start_asgi: StartAsgi, number: signal.Signals
    ) -> None:
        worker = start_asgi(
            """
async def handle(scope, receive, send):
    try:
        await asyncio.sleep(600)
    finally:
        open("cleaned-up", "w").close()
""",
            config='def worker_int(worker):\n    open("hooked", "w").close()\n',
        )
        worker.channel.asgi_request("/long", 1)
        worker.channel.wait_until_handled()
        os.kill(worker.pid, number)
        worker.channel.expect(FAILED)
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0
        assert "Leaving now: cancelling GET /long" in mold.stderr
        assert {path.name for path in mold.folder.iterdir()} >= {"hooked", "cleaned-up"}

    def test_abrt_ends_it_although_the_loop_is_blocked(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        worker = start_asgi(
            """
import time

async def handle(scope, receive, send):
    open("blocked", "w").close()
    time.sleep(600)
""",
            config='def worker_abort(worker):\n    open("hooked", "w").close()\n',
        )
        worker.channel.asgi_request("/", 1)
        wait_for_file(mold.folder / "blocked")
        os.kill(worker.pid, signal.SIGABRT)
        assert mold.expect("worker-exited")["status"] == 1
        assert "in handle" in mold.stderr
        assert (mold.folder / "hooked").exists()

    def test_it_dials_a_router_that_follows_a_dead_one(
        self, start_asgi: StartAsgi, router: RouterListener
    ) -> None:
        handler = "async def handle(scope, receive, send):\n    await start(send)\n    await body(send)\n"
        first: RouterEnd = start_asgi(handler).channel
        first.close()
        second = router.accept()
        second.receive_hello()
        second.expect(READY)
        second.asgi_request("/", 1)
        second.expect(RESPONSE)
