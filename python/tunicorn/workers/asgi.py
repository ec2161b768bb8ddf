"""The asgi worker: an event loop, on which each request is a task that calls the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.application import EXIT_WORKER_BOOT
from tunicorn.asgi import AsgiCalls
from tunicorn.asgi_hooks import with_request_hooks
from tunicorn.interface import Interface, to_asgi3
from tunicorn.lifespan import Lifespan, LifespanError
from tunicorn.tracebacks import user_traceback
from tunicorn.workers.base import BootError
from tunicorn.workers.loop import QUICK_SECONDS, LoopWorker

if TYPE_CHECKING:
    from typing import Any

    from tunicorn.asgi_types import AsgiApplication


class AsgiWorker(LoopWorker):
    """Calls ASGI applications."""

    interface: Interface = "asgi"
    #: Whether asgi_disconnect_grace_period holds.
    limits_abandoned_calls = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lifespan: Lifespan | None = None

    async def start_application(self) -> AsgiCalls:
        assert self.wsgi is not None
        application = self.adapt(to_asgi3(self.wsgi))
        lifespan = self._lifespan = Lifespan(application, self.log, self.cfg.asgi_lifespan)
        await self._start(lifespan)
        grace_seconds = float(self.cfg.asgi_disconnect_grace_period) if self.limits_abandoned_calls else None
        return AsgiCalls(
            with_request_hooks(self, application),
            self.log,
            lifespan.state,
            grace_seconds,
            # Only when asked for: middleware that compresses answers may know bodies alone, and lose files.
            sends_files=self.cfg.settings.get("sendfile") is True,
        )

    def adapt(self, application: AsgiApplication) -> AsgiApplication:
        """What is called in its place."""
        return application

    async def _start(self, lifespan: Lifespan) -> None:
        try:
            await self._first_of(lifespan.startup(), self._quick.wait())
        except LifespanError as error:
            cause = error.__cause__
            report = str(error) if cause is None else f"{error}\n{user_traceback(cause)}"
            raise BootError(report, EXIT_WORKER_BOOT) from error

    async def stop_application(self, seconds: float) -> None:
        """Tells the application of its end. A quick stop may come while it is waited for."""
        lifespan = self._lifespan
        assert lifespan is not None
        if not self._quick.is_set():
            await self._first_of(lifespan.shutdown(), self._quick.wait(), seconds=seconds - QUICK_SECONDS)
        if not await self._first_of(lifespan.shutdown(), seconds=QUICK_SECONDS):
            self.log.error("The application's shutdown did not end in time")
