"""environ["wsgi.websocket"], as gevent-websocket makes it for gevent's own server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geventwebsocket.handler import WebSocketHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.application import Application
    from tunicorn.log import Logger


class _Server:
    """What the library asks of a server."""

    def __init__(self, application: Application, logger: Logger) -> None:
        self.application = application
        self.logger = logger
        #: Open WebSockets, by the addresses of their clients.
        self.clients: dict[object, object] = {}


class _Handshake(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """The library's handshake of one request, without the server that it was written for."""

    def __init__(self, server: _Server, environ: dict[str, Any]) -> None:
        # Not the parent's, which would read a request from the connection.
        self.server = server
        self.application = server.application
        self.environ = environ
        self.request_version = environ["SERVER_PROTOCOL"]
        self.socket = environ["gunicorn.socket"]
        self.client_address = self.socket.getpeername()
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    @property
    def rfile(self) -> Any:
        """What the client sends. Asked for once, when the WebSocket is made."""
        return self.socket.makefile("rb")

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], None]:
        """The head that the library has made."""
        self.status, self.headers = status, headers
        send: Callable[[bytes], None] = self.socket.sendall
        return send

    def serve(self) -> None:
        """Answers 101, and calls the application for as long as the WebSocket lives."""
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in self.headers), "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1"))
        self.run_websocket()


class WebSocketEntry:
    """Stands before the application: a request for a WebSocket gets one."""

    def __init__(self, application: Application, logger: Logger) -> None:
        self._application = application
        self._server = _Server(application, logger)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if "gunicorn.socket" not in environ:
            return self._application(environ, start_response)
        handshake = _Handshake(self._server, environ)
        refusal = handshake.upgrade_websocket()
        if environ.get("wsgi.websocket") is not None:
            handshake.serve()
            return []
        if handshake.status:
            start_response(handshake.status, handshake.headers)
            return [piece.encode() for piece in refusal or []]
        return self._application(environ, start_response)
