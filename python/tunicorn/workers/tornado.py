"""The tornado worker: Tornado's loop, on which handlers answer many requests at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tunicorn.interface import Interface
from tunicorn.workers.loop import LoopWorker

if TYPE_CHECKING:
    from tunicorn.tornado_calls import TornadoCalls


class TornadoWorker(LoopWorker):
    """Serves what Tornado's HTTP server would serve, without its HTTP."""

    interface: Interface = "tornado"

    @property
    def loop_kind(self) -> str:
        return "asyncio"

    def init_process(self) -> None:
        """Tornado has loggers of its own, which write to the log of the server if nobody else has them."""
        tornados = logging.getLogger("tornado")
        if not tornados.handlers and not logging.getLogger().handlers:
            tornados.handlers = self.log.error_log.handlers
            tornados.propagate = False
        super().init_process()

    async def start_application(self) -> TornadoCalls:
        from tunicorn.tornado_application import tell_of_settings, to_delegate  # noqa: PLC0415 -- Tornado may be missing
        from tunicorn.tornado_calls import TornadoCalls  # noqa: PLC0415 -- as above

        assert self.wsgi is not None
        tell_of_settings(self.wsgi, self.cfg, self.log)
        return TornadoCalls(to_delegate(self.wsgi, int(self.cfg.threads), self.log), self.log)
