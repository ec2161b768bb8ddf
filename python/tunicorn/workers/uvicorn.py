"""uvicorn's worker classes for Gunicorn, on tunicorn's asgi worker. uvicorn need not be installed."""

from __future__ import annotations

import logging

from tunicorn.workers.asgi import AsgiWorker


class UvicornWorker(AsgiWorker):
    """Behaves as uvicorn does where that differs from Gunicorn's own asgi worker."""

    #: uvicorn lets a call go on when its client has left.
    limits_abandoned_calls = False

    def prepare(self) -> None:
        """Applications log to uvicorn's loggers, which write to the log of the server."""
        for name, logger in (("uvicorn.error", self.log.error_log), ("uvicorn.access", self.log.access_log)):
            uvicorns = logging.getLogger(name)
            uvicorns.handlers = logger.handlers
            uvicorns.setLevel(logger.level)
            uvicorns.propagate = False
        super().prepare()


class UvicornH11Worker(UvicornWorker):
    """The same on asyncio: uvicorn's class for where uvloop and httptools cannot run."""

    loop_kind = "asyncio"
