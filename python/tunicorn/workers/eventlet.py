"""The eventlet worker. Gunicorn has it no more since 26; guides and applications still use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.workers.green import GreenWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.green_channel import Hub


class EventletHub:
    """eventlet, as a channel uses it."""

    def __init__(self) -> None:
        import eventlet  # noqa: PLC0415 -- nothing of it may be imported where another class is used
        from eventlet import hubs  # noqa: PLC0415

        self._spawn = eventlet.spawn_n
        self._schedule = hubs.get_hub().schedule_call_global

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function in a greenlet of its own."""
        self._spawn(function, *arguments)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Calls a function in the next turn of the hub."""
        self._schedule(0, function)


class EventletWorker(GreenWorker):
    """Greenlets of eventlet, on a standard library that was patched for it."""

    def patch(self) -> Hub:
        import eventlet  # noqa: PLC0415

        eventlet.monkey_patch()
        return EventletHub()
