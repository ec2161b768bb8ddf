"""The lifespan of an asgi worker's application."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import cast

import pytest
from tunicorn.asgi_types import AsgiApplication, Message, Receive, Scope, Send
from tunicorn.lifespan import Lifespan, Mode
from tunicorn.log import Logger

from tests.conftest import StartWorker
from tests.helpers.asgi import PRELUDE
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import RESPONSE, RouterListener

#: Answers a request, and notes what it was told in the files of its lifespan.
APPLICATION = f"""{PRELUDE}
import json


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    seen = dict(scope["state"])
    scope["state"]["of one request"] = True
    await start(send)
    await body(send, json.dumps(seen).encode())
"""

GOOD = """
async def lifespan(scope, receive, send):
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert (await receive()) == {"type": "lifespan.startup"}
    scope["state"]["database"] = "connected"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive()) == {"type": "lifespan.shutdown"}
    open("shut-down", "w").close()
    await send({"type": "lifespan.shutdown.complete"})
"""


def boot_report(mold: MoldProcess, source: str, **settings: object) -> str:
    """What a worker says that cannot boot."""
    (mold.folder / "app.py").write_text(source)
    mold.configure("-", worker_class="asgi", **settings)
    mold.fork()
    exited = mold.expect("worker-exited")
    assert exited["status"] == 3
    return str(exited["report"])


def test_requests_get_a_copy_of_the_state_of_the_lifespan(start_worker: StartWorker) -> None:
    channel = start_worker(APPLICATION + GOOD, worker_class="asgi").channel
    for stream in (1, 2):
        channel.asgi_request("/", stream)
        assert json.loads(channel.expect(RESPONSE).body) == {"database": "connected"}


def test_the_application_is_told_of_the_end_when_the_worker_leaves(
    mold: MoldProcess, start_worker: StartWorker
) -> None:
    channel = start_worker(APPLICATION + GOOD, worker_class="asgi").channel
    channel.drain()
    channel.expect_end()
    assert mold.expect("worker-exited")["status"] == 0
    assert (mold.folder / "shut-down").exists()
    assert "ERROR" not in mold.stderr


def test_off_tells_the_application_nothing(mold: MoldProcess, start_worker: StartWorker) -> None:
    channel = start_worker(APPLICATION + GOOD, worker_class="asgi", asgi_lifespan="off").channel
    channel.asgi_request("/")
    assert json.loads(channel.expect(RESPONSE).body) == {}
    channel.drain()
    channel.expect_end()
    mold.expect("worker-exited")
    assert not (mold.folder / "shut-down").exists()


@pytest.mark.parametrize(("mode", "then"), [("auto", "raise ValueError('once more')"), ("on", "return")])
def test_a_startup_that_fails_by_message_keeps_the_worker_from_booting(
    mold: MoldProcess, mode: str, then: str
) -> None:
    report = boot_report(
        mold,
        APPLICATION
        + f"""
async def lifespan(scope, receive, send):
    await receive()
    await send({{"type": "lifespan.startup.failed", "message": "no database"}})
    {then}
""",
        asgi_lifespan=mode,
    )
    assert report.splitlines()[0] == "The application's startup failed: no database"
    assert "The application raised in its lifespan" not in mold.stderr


def test_an_application_that_knows_no_lifespan_is_served_with_auto(
    mold: MoldProcess, start_worker: StartWorker
) -> None:
    source = (
        APPLICATION + "\nasync def lifespan(scope, receive, send):\n    raise AssertionError('http only')\n"
    )
    channel = start_worker(source, worker_class="asgi").channel
    channel.asgi_request("/")
    channel.expect(RESPONSE)
    assert "ASGI 'lifespan' protocol appears unsupported." in mold.stderr
    assert "Traceback" not in mold.stderr


def test_a_startup_that_raises_is_shown_with_auto_and_the_worker_serves(
    mold: MoldProcess, start_worker: StartWorker
) -> None:
    source = (
        APPLICATION
        + """
async def lifespan(scope, receive, send):
    await receive()
    raise ValueError('no database')
"""
    )
    channel = start_worker(source, worker_class="asgi").channel
    channel.asgi_request("/")
    channel.expect(RESPONSE)
    assert "ValueError: no database" in mold.stderr


@pytest.mark.parametrize("step", ["pass", "await receive()"])
def test_a_startup_that_raises_keeps_the_worker_from_booting_with_on(mold: MoldProcess, step: str) -> None:
    source = APPLICATION + (
        f"\nasync def lifespan(scope, receive, send):\n    {step}\n    raise ValueError('no database')\n"
    )
    report = boot_report(mold, source, asgi_lifespan="on")
    assert report.startswith("The application raised during its startup\nTraceback")
    assert report.endswith("ValueError: no database")
    assert "serves nevertheless" not in mold.stderr


def test_a_lifespan_that_returns_at_once_is_an_error_with_on(mold: MoldProcess) -> None:
    source = APPLICATION + "\nasync def lifespan(scope, receive, send):\n    return\n"
    report = boot_report(mold, source, asgi_lifespan="on")
    assert report == "The application returned without answering lifespan.startup"


def test_a_shutdown_that_fails_is_logged(mold: MoldProcess, start_worker: StartWorker) -> None:
    source = APPLICATION + GOOD.replace(
        '"lifespan.shutdown.complete"}', '"lifespan.shutdown.failed", "message": "still busy"}'
    )
    channel = start_worker(source, worker_class="asgi").channel
    channel.drain()
    channel.expect_end()
    assert mold.expect("worker-exited")["status"] == 0
    assert "The application's shutdown failed: still busy" in mold.stderr


def test_a_shutdown_that_hangs_is_cancelled_when_graceful_timeout_is_over(
    mold: MoldProcess, start_worker: StartWorker
) -> None:
    source = APPLICATION + GOOD.replace(
        '    open("shut-down", "w").close()\n', "    await asyncio.sleep(600)\n"
    )
    channel = start_worker(source, worker_class="asgi", graceful_timeout=0).channel
    channel.drain()
    channel.expect_end()
    assert mold.expect("worker-exited")["status"] == 0
    assert "The application's shutdown did not end in time" in mold.stderr


def test_messages_in_the_wrong_order_are_refused(mold: MoldProcess) -> None:
    report = boot_report(
        mold,
        APPLICATION
        + """
async def lifespan(scope, receive, send):
    await send({"type": "lifespan.shutdown.complete"})
""",
        asgi_lifespan="on",
    )
    assert "Got invalid state transition on lifespan protocol" in report


def test_a_stop_interrupts_a_startup_that_hangs(mold: MoldProcess, router: RouterListener) -> None:
    (mold.folder / "app.py").write_text(
        APPLICATION
        + """
async def lifespan(scope, receive, send):
    open("starting", "w").close()
    await asyncio.sleep(600)
"""
    )
    mold.configure("-", worker_class="asgi")
    mold.fork()
    wait_for_file(mold.folder / "starting")
    mold.send("signal", worker=1, signal="SIGQUIT")
    assert mold.expect("worker-exited")["status"] == 0


def lifespan_of(application: AsgiApplication, mode: Mode) -> Lifespan:
    """One without a worker."""
    return Lifespan(application, cast(Logger, logging.getLogger("tests.lifespan")), mode)


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_application_that_answers_and_ends_at_once_has_started(mode: Mode) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})

    async def run() -> None:
        lifespan = lifespan_of(application, mode)
        await lifespan.startup()
        await lifespan.shutdown()
        await lifespan.shutdown()

    asyncio.run(run())


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_an_answer_that_comes_twice_is_refused(phase: str) -> None:
    refused: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            answer: Message = {"type": f"lifespan.{step}.complete"}
            await send(answer)
            if step == phase:
                with pytest.raises(RuntimeError, match="invalid state transition"):
                    await send(answer)
                refused.append(step)

    async def run() -> None:
        lifespan = lifespan_of(application, "on")
        await lifespan.startup()
        await lifespan.shutdown()

    asyncio.run(run())
    assert refused == [phase]
