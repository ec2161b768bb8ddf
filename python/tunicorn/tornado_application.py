"""What the tornado worker can serve: Tornado's applications and routers, callables of a request, and WSGI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from tornado import httputil, wsgi
from tornado.httpserver import HTTPServer

from tunicorn.interface import interface_of
from tunicorn.tornado_connection import TornadoConnection

if TYPE_CHECKING:
    from tunicorn.application import Application
    from tunicorn.config import Config
    from tunicorn.log import Logger


def to_delegate(application: Application, threads: int, log: Logger) -> httputil.HTTPServerConnectionDelegate:
    """The application as Tornado's own server calls it."""
    if isinstance(application, httputil.HTTPServerConnectionDelegate):
        return application
    if isinstance(application, wsgi.WSGIContainer) or interface_of(application) == "asgi2":
        # One argument: the request.
        return HTTPServer(application)
    return HTTPServer(ServedWsgi(application, threads, log))


#: Settings of an application that are the router's here, under the same names.
_SETTINGS_OF_ROUTER: Final = (
    "websocket_ping_interval", "websocket_ping_timeout", "websocket_max_message_size",
)  # fmt: skip


def tell_of_settings(application: Application, cfg: Config, log: Logger) -> None:
    """Warns of settings that have no effect, since the server's say something else."""
    settings = getattr(application, "settings", None)
    if not isinstance(settings, dict):
        return
    for name in _SETTINGS_OF_ROUTER:
        wanted, held = settings.get(name), getattr(cfg, name)
        if wanted is not None and wanted != held:
            log.warning(
                "%s of the Tornado application is %s, but that of the server counts, which is %s: use --%s",
                name, wanted, held, name.replace("_", "-"),
            )  # fmt: skip


class ServedWsgi(wsgi.WSGIContainer):
    """A WSGI application, in the thread of the loop as Gunicorn has it, or in `threads` of its own."""

    def __init__(self, application: Application, threads: int, log: Logger) -> None:
        executor = ThreadPoolExecutor(threads, "tunicorn") if threads > 1 else None
        super().__init__(application, executor)
        self._error_log = log

    async def handle_request(self, request: httputil.HTTPServerRequest) -> None:
        try:
            await super().handle_request(request)
        except Exception as error:
            # Tornado leaves such a client without an answer.
            self._error_log.error("Error handling request %s %s", request.method, request.uri, exc_info=error)
            if isinstance(request.connection, TornadoConnection):
                request.connection.stream.close()
