"""What an application has left on the event loop is ended when its worker leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tunicorn.left_tasks import describe_task, end_tasks
from tunicorn.log import Logger

SECONDS = 0.1


async def forever() -> None:
    await asyncio.sleep(600)


async def stubborn(may_end: asyncio.Event) -> None:
    while not may_end.is_set():
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            continue


def leave(log: Logger, *steps: Callable[[], Awaitable[object]]) -> None:
    async def run() -> None:
        for step in steps:
            await step()
        await end_tasks(log, SECONDS)

    asyncio.run(run())


def test_nothing_is_said_of_nothing(logger: Logger, log_path: Path) -> None:
    leave(logger)
    assert not log_path.exists() or log_path.read_text() == ""


def test_tasks_are_cancelled_and_named_by_their_name_or_function(logger: Logger, log_path: Path) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> None:
        tasks.extend([asyncio.create_task(forever()), asyncio.create_task(forever(), name="the ticker")])

    leave(logger, begin)
    assert all(task.cancelled() for task in tasks)
    assert "Cancelling 2 tasks that the application has left: forever, the ticker\n" in log_path.read_text()


def test_one_that_does_not_heed_it_is_named_again_and_not_waited_for(logger: Logger, log_path: Path) -> None:
    async def run() -> None:
        may_end = asyncio.Event()
        task = asyncio.create_task(stubborn(may_end))
        await asyncio.sleep(0)
        await end_tasks(logger, SECONDS)
        assert not task.done()
        may_end.set()
        await task

    asyncio.run(run())
    assert "[ERROR] Leaving without 1 task that did not end: stubborn\n" in log_path.read_text()


def test_what_a_task_raises_in_the_end_is_logged(logger: Logger, log_path: Path) -> None:
    async def rude() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise RuntimeError("not now") from None

    async def begin() -> None:
        task = asyncio.create_task(rude(), name="rude")
        await asyncio.sleep(0)
        assert describe_task(task) == "rude"

    leave(logger, begin)
    text = log_path.read_text()
    assert "[ERROR] The task rude raised when it was cancelled\n" in text
    assert "RuntimeError: not now" in text


def test_generators_that_nobody_has_read_to_their_end_are_closed(logger: Logger) -> None:
    closed: list[str] = []

    async def pieces() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append("pieces")

    async def run() -> None:
        kept = pieces()
        assert await anext(kept) == 1
        await end_tasks(logger, SECONDS)
        # asyncio.run() would close it too, but later.
        assert closed == ["pieces"]

    asyncio.run(run())


def test_a_generator_that_does_not_end_is_not_waited_for(logger: Logger, log_path: Path) -> None:
    async def run() -> None:
        may_end = asyncio.Event()

        async def pieces() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                await stubborn(may_end)

        kept = pieces()
        await anext(kept)
        await end_tasks(logger, SECONDS)
        may_end.set()

    asyncio.run(run())
    assert "[ERROR] Leaving without an asynchronous generator that did not end\n" in log_path.read_text()
