"""uvicorn's worker classes for Gunicorn, on tunicorn's asgi worker. uvicorn need not be installed."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Final

from tunicorn.asgi_types import AsgiApplication, Message, Receive, Scope, Send
from tunicorn.config import to_plain
from tunicorn.workers.asgi import AsgiWorker

#: What a response begins with; the headers of the application follow.
STARTS: Final = ("http.response.start", "websocket.accept")

#: Options that a worker takes over by itself.
TAKEN_LATE: Final = ("loop", "headers")


class UvicornWorker(AsgiWorker):
    """Behaves as uvicorn does where that differs from Gunicorn's own asgi worker."""

    #: uvicorn's options. Of a class of the user's own src/config/uvicorn-options.ts makes settings of them;
    #: loop and headers are taken from here.
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {"loop": "auto", "http": "auto"}

    #: The same, as it was when settings were made of it; None: nothing was.
    _kwargs_read: ClassVar[dict[str, Any] | None] = None

    #: uvicorn lets a call go on when its client has left.
    limits_abandoned_calls = False

    @property
    def loop_kind(self) -> str | None:
        kind = self.CONFIG_KWARGS.get("loop")
        return kind if kind in ("asyncio", "uvloop") else None

    def adapt(self, application: AsgiApplication) -> AsgiApplication:
        headers = self.CONFIG_KWARGS.get("headers")
        return with_default_headers(application, headers) if headers else application

    def init_process(self) -> None:
        """Applications log to uvicorn's loggers, which write to the log of the server."""
        for name, logger in (("uvicorn.error", self.log.error_log), ("uvicorn.access", self.log.access_log)):
            uvicorns = logging.getLogger(name)
            uvicorns.handlers = logger.handlers
            uvicorns.setLevel(logger.level)
            uvicorns.propagate = False
        self._tell_of_late_options()
        super().init_process()

    def _tell_of_late_options(self) -> None:
        """uvicorn's own class reads its options when it is made; the server has set itself up by then."""
        read = self._kwargs_read
        if read is None:
            return
        now: Any = to_plain(self.CONFIG_KWARGS)
        changed = [name for name in {**read, **now} if read.get(name) != now.get(name)]
        late = [name for name in changed if name not in TAKEN_LATE]
        if late:
            self.log.warning(
                "CONFIG_KWARGS of the worker class %s was changed when the worker was made, too late for %s: "
                "set it where the class is defined, or in setup()",
                self.cfg.worker_class_str, ", ".join(late),
            )  # fmt: skip


class UvicornH11Worker(UvicornWorker):
    """The same on asyncio: uvicorn's class for where uvloop and httptools cannot run."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {"loop": "asyncio", "http": "h11"}


def with_default_headers(application: AsgiApplication, headers: list[tuple[str, str]]) -> AsgiApplication:
    """The application, with these headers in each response."""
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    async def adapted(scope: Scope, receive: Receive, send: Send) -> object:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in STARTS:
                message = {**message, "headers": [*encoded, *message.get("headers", ())]}
            await send(message)

        return await application(scope, receive, send_with_headers)

    return adapted
