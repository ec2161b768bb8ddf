"""What the hooks pre_request and post_request get as `req` and `resp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote_to_bytes

from tunicorn.gunicorn_names import SERVER
from tunicorn.missing import MissingAttributeError

if TYPE_CHECKING:
    from tunicorn.response import Headers

#: Environ names of header fields that do not begin with HTTP_.
_PLAIN_FIELDS: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")

#: Attributes of Gunicorn's requests and responses that have no counterpart here, and what to use.
_CONNECTION: Final = "the router process holds the connection"
INSTEAD_OF_REQUEST: Final = {
    "unreader": _CONNECTION,
    "should_close": _CONNECTION,
    "must_close": _CONNECTION,
    "req_number": _CONNECTION,
}
INSTEAD_OF_RESPONSE: Final = {
    "sock": _CONNECTION,
    "must_close": _CONNECTION,
    "should_close": _CONNECTION,
    "chunked": "the router decides how the body is framed",
    "is_chunked": "the router decides how the body is framed",
    "version": "the router adds Server, Date and Connection",
}


class HookRequest:
    """What hooks get as `req`. What pre_request changes in it, the application finds in its environ."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = dict(environ)
        self._headers: list[tuple[str, str]] | None = None
        self.method: str = environ["REQUEST_METHOD"]
        #: The target as it was sent, percent-encoded, and its parts.
        self.uri: str = environ["RAW_URI"]
        self.query: str = environ["QUERY_STRING"]
        self.path = _path_of(self.uri)
        self.fragment = ""
        self.version = _version_of(environ["SERVER_PROTOCOL"])
        self.scheme: str = environ["wsgi.url_scheme"]
        #: Address and port of the client; of nobody on a unix socket.
        self.remote_addr = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))
        self.peer_addr = self.remote_addr
        self.trailers: list[tuple[str, str]] = []
        #: What reads the body; None for ASGI, where the application receives it.
        self.body = environ.get("wsgi.input")

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("request", name, INSTEAD_OF_REQUEST, self)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields: names in upper case, repeated ones joined by commas."""
        if self._headers is None:
            self._headers = _headers_of(self._environ)
        return self._headers

    @headers.setter
    def headers(self, headers: list[tuple[str, str]]) -> None:
        self._headers = headers

    def change(self, environ: dict[str, Any]) -> None:
        """Brings what a hook has changed into the environ, which is made of the request."""
        environ["REQUEST_METHOD"] = self.method
        environ["QUERY_STRING"] = self.query
        environ["wsgi.url_scheme"] = self.scheme
        environ["RAW_URI"] = self.uri
        if self.path != _path_of(self._environ["RAW_URI"]):
            path = unquote_to_bytes(self.path).decode("latin-1")
            environ["PATH_INFO"] = path.removeprefix(environ.get("SCRIPT_NAME", ""))
        if self._headers is None:
            return
        before = _headers_of(self._environ)
        if self._headers != before:
            for name, _ in before:
                del environ[environ_name(name)]
            for name, value in self._headers:
                key = environ_name(name)
                environ[key] = f"{environ[key]},{value}" if key in environ else value


class HookResponse:
    """What hooks get as `resp`: what the response was."""

    def __init__(self) -> None:
        #: As the application gave it to start_response, "200 OK"; None when it has not.
        self.status: str | None = None
        self.headers: Headers = []
        #: Bytes of the body.
        self.sent = 0
        #: Whether the head is on its way.
        self.headers_sent = False

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("response", name, INSTEAD_OF_RESPONSE, self)

    @property
    def status_code(self) -> int | None:
        """The number of the status."""
        return None if self.status is None else int(self.status[:3])

    @property
    def response_length(self) -> int | None:
        """The Content-Length of the application."""
        lengths = [value for name, value in self.headers if name.lower() == "content-length"]
        return int(lengths[0]) if lengths else None

    def default_headers(self) -> list[str]:
        """What configuration files replace to change the field Server, which the router writes."""
        return [f"Server: {SERVER}\r\n"]


def _path_of(uri: str) -> str:
    path = uri.partition("?")[0].partition("#")[0]
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def _version_of(protocol: str) -> tuple[int, int]:
    major, _, minor = protocol.removeprefix("HTTP/").partition(".")
    return int(major), int(minor or 0)


def _headers_of(environ: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name.removeprefix("HTTP_").replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in _PLAIN_FIELDS
    ]


def environ_name(header: str) -> str:
    """Under which name a header field stands in an environ."""
    name = header.upper().replace("-", "_")
    return name if name in _PLAIN_FIELDS else f"HTTP_{name}"
