"""The eventlet worker. Gunicorn has it no more since 26; guides and applications still use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunicorn.workers.green import GreenWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.application import Application
    from tunicorn.green_channel import Hub


class EventletHub:
    """eventlet, as a channel uses it."""

    def __init__(self) -> None:
        import eventlet  # noqa: PLC0415 -- nothing of it may be imported where another class is used
        from eventlet import hubs  # noqa: PLC0415 -- as above

        self._spawn = eventlet.spawn_n
        self._schedule = hubs.get_hub().schedule_call_global

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function in a greenlet of its own."""
        self._spawn(function, *arguments)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Calls a function in the next turn of the hub."""
        self._schedule(0, function)


class EventletInput:
    """Where applications that were written for eventlet's own server look for the client's connection."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    def get_socket(self) -> object:
        """The client's connection."""
        return self._connection


class EventletWorker(GreenWorker):
    """Greenlets of eventlet, on a standard library that was patched for it."""

    def entry(self) -> Application:
        application = super().entry()

        def enter(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if "gunicorn.socket" in environ:
                environ["eventlet.input"] = EventletInput(environ["gunicorn.socket"])
            return application(environ, start_response)

        return enter

    def patch(self) -> None:
        import eventlet  # noqa: PLC0415 -- as above

        eventlet.monkey_patch()

    def make_hub(self) -> Hub:
        return EventletHub()
