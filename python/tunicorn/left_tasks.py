"""The end of what an application has left on the event loop: tasks, and asynchronous generators."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from tunicorn.log import Logger

#: What asyncio calls a task that nobody has named.
_NUMBERED: Final = re.compile(r"Task-[0-9]+")


async def end_tasks(log: Logger, seconds: float) -> None:
    """Cancels what has not ended by itself, and names it; what stays all the same is named again."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        log.info("Cancelling %s that the application has left: %s", _count(tasks), _names(tasks))
        for task in tasks:
            task.cancel()
        ended, pending = await asyncio.wait(tasks, timeout=seconds)
        for task in ended:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                log.error("The task %s raised when it was cancelled", describe_task(task), exc_info=error)
        if pending:
            log.error("Leaving without %s that did not end: %s", _count(pending), _names(pending))
    await _close_generators(log, seconds)


async def _close_generators(log: Logger, seconds: float) -> None:
    """Those that nobody has read to their end may have something to clean up."""
    closing = asyncio.ensure_future(asyncio.get_running_loop().shutdown_asyncgens())
    # Waited for without cancelling it, which a generator might not heed.
    ended, _ = await asyncio.wait({closing}, timeout=seconds)
    if not ended:
        log.error("Leaving without an asynchronous generator that did not end")


def describe_task(task: asyncio.Task[Any]) -> str:
    """Its name if it was given one, else the function that it runs."""
    name = task.get_name()
    if _NUMBERED.fullmatch(name) is None:
        return name
    return getattr(task.get_coro(), "__qualname__", None) or name


def _count(tasks: Collection[asyncio.Task[Any]]) -> str:
    return "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"


def _names(tasks: Collection[asyncio.Task[Any]]) -> str:
    return ", ".join(sorted(describe_task(task) for task in tasks))
