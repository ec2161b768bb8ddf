"""The hooks pre_request and post_request. Nothing here runs unless the configuration file has one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from urllib.parse import unquote_to_bytes

from tunicorn.environ import file_part
from tunicorn.hooks import HookError, describe_raised
from tunicorn.missing import MissingAttributeError
from tunicorn.wsgi import Response, WsgiGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.channel import Channel
    from tunicorn.response import Headers
    from tunicorn.response_channel import ResponseChannel
    from tunicorn.workers.base import Worker
    from tunicorn.wsgi import ExceptionInfo

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


def make_gateway(worker: Worker, channel: Channel) -> WsgiGateway:
    """The gateway between a worker's channel and its application."""
    assert worker.wsgi is not None
    hooks = [worker.cfg.hook(name) for name in ("pre_request", "post_request")]
    if hooks == [None, None]:
        return WsgiGateway(worker.wsgi, worker.cfg, worker.log, channel)
    return HookedGateway(worker, channel)


class HookedGateway(WsgiGateway):
    """Calls the two hooks around the application."""

    def __init__(self, worker: Worker, channel: Channel) -> None:
        assert worker.wsgi is not None
        super().__init__(worker.wsgi, worker.cfg, worker.log, channel)
        self._worker = worker
        self._pre_request = worker.cfg.hook("pre_request")
        self._post_request = worker.cfg.hook("post_request")

    def handle(
        self, stream: int, flags: int, payload: bytes, after: int, channel: ResponseChannel | None = None
    ) -> bool:
        # The worker is free when post_request is through, not with the last frame of the response.
        super().handle(stream, flags, payload, 0, channel)
        return False

    def _respond(self, environ: dict[str, Any], response: Response) -> None:
        request = HookRequest(environ)
        recorded: HookResponse | None = None
        try:
            if self._pre_request is not None:
                self._call_pre_request(self._pre_request, request)
                request.change(environ)
            recorded = HookResponse(response)
            # It has all that the gateway uses of a response.
            super()._respond(environ, cast(Response, recorded))
        finally:
            if self._post_request is not None:
                try:
                    self._post_request(self._worker, request, environ, recorded)
                except Exception as error:
                    self._log.error("The hook post_request raised\n%s", describe_raised(error))

    def _call_pre_request(self, hook: Callable[..., object], request: HookRequest) -> None:
        try:
            hook(self._worker, request)
        except Exception as error:
            raise HookError("The hook pre_request raised; the request is answered with 500") from error


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
        self.body = environ["wsgi.input"]

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
                del environ[_environ_name(name)]
            for name, value in self._headers:
                key = _environ_name(name)
                environ[key] = f"{environ[key]},{value}" if key in environ else value


class HookResponse:
    """What hooks get as `resp`: passes the response on, and remembers what it was."""

    def __init__(self, response: Response) -> None:
        self._response = response
        #: As the application gave it to start_response, "200 OK"; None when it has not.
        self.status: str | None = None
        self.headers: Headers = []
        #: Bytes of the body.
        self.sent = 0

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

    @property
    def headers_sent(self) -> bool:
        """Whether the head is on its way."""
        return self._response.is_head_sent

    @property
    def is_ended(self) -> bool:
        return self._response.is_ended

    def start(self, status: str, headers: Headers, exc_info: ExceptionInfo = None) -> Callable[[bytes], None]:
        self._response.start(status, headers, exc_info)
        self.status, self.headers = status, list(headers)
        return self.write

    def write(self, data: bytes) -> None:
        self._response.write(data)
        self.sent += len(data)

    def send_whole(self, body: bytes) -> None:
        self._response.send_whole(body)
        self.sent += len(body)

    def send(self, data: bytes) -> None:
        self._response.send(data)
        self.sent += len(data)

    def send_file(self, filelike: Any) -> bool:
        part = file_part(filelike)
        is_sent = self._response.send_file(filelike)
        if is_sent and part is not None:
            length = self.response_length
            self.sent += part[2] if length is None else min(part[2], length)
        return is_sent

    def end(self) -> None:
        self._response.end()


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


def _environ_name(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in _PLAIN_FIELDS else f"HTTP_{name}"
