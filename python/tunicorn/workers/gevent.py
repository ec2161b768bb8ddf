"""The gevent worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.workers.green import GreenWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.green_channel import Hub


class GeventHub:
    """gevent, as a channel uses it."""

    def __init__(self) -> None:
        import gevent  # noqa: PLC0415 -- nothing of it may be imported where another class is used

        self._spawn = gevent.spawn
        self._run_callback = gevent.get_hub().loop.run_callback

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function in a greenlet of its own."""
        self._spawn(function, *arguments)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Calls a function in the next turn of the hub."""
        self._run_callback(function)


class GeventWorker(GreenWorker):
    """Greenlets of gevent, on a standard library that was patched for it."""

    def patch(self) -> None:
        from gevent import monkey  # noqa: PLC0415 -- as above

        monkey.patch_all()

    def make_hub(self) -> Hub:
        return GeventHub()
