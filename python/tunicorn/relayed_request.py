"""What a logger's access() gets: request and response as the router tells of them, when both are over."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, NoReturn

from tunicorn.environ import SERVER_SOFTWARE
from tunicorn.missing import MissingAttributeError

_OVER: Final = "access records are made in the log process, when the request is over"

#: Attributes of Gunicorn's requests and responses that are not there any more.
INSTEAD: Final = dict.fromkeys(
    ("body", "unreader", "cfg", "sock", "should_close", "trailers", "chunked", "must_close", "force_close"),
    _OVER,
)

Message = dict[str, Any]


class RelayedRequest:
    """What access() gets as `req`."""

    def __init__(self, message: Message) -> None:
        self.method: str = message["method"]
        self.uri: str = message["target"]
        self.path: str = message["path"]
        self.query: str = message["query"]
        self.fragment = ""
        major, _, minor = str(message["protocol"]).removeprefix("HTTP/").partition(".")
        self.version = (int(major), int(minor or 0)) if major.isdigit() else (0, 0)
        self.remote_addr = (message["remoteAddress"], 0)
        self.peer_addr = self.remote_addr
        fields = message["requestFields"]
        #: Names in upper case, as Gunicorn has them; repeated fields stand there repeatedly.
        self.headers = [(name.upper(), value) for name, value in zip(fields[::2], fields[1::2], strict=True)]

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("request", name, INSTEAD, self)


class RelayedResponse:
    """What access() gets as `resp`."""

    def __init__(self, message: Message) -> None:
        self.status_code: int = message["status"]
        self.status = f"{self.status_code} {_phrase(self.status_code)}".rstrip()
        #: Bytes of the body that were sent.
        self.sent: int = message["bodyBytes"]
        lines = message["responseLines"].split("\r\n")
        parts = [line.partition(":") for line in lines if line]
        self.headers = [(name, value.strip()) for name, _, value in parts]
        #: In seconds since 1970.
        self.finished_at: float = message["time"] / 1000

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("response", name, INSTEAD, self)

    @property
    def response_length(self) -> int | None:
        """The Content-Length."""
        lengths = [value for name, value in self.headers if name.lower() == "content-length"]
        return int(lengths[-1]) if lengths else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def relayed_environ(message: Message) -> dict[str, Any]:
    """The environ of the request; its main entries alone when the request was refused before it had one."""
    text = str(message["environ"])
    parts = text.split("\0") if text else []
    refused = {} if parts else {"PATH_INFO": message["path"], "QUERY_STRING": message["query"]}
    return {
        "REQUEST_METHOD": message["method"],
        "RAW_URI": message["target"],
        "SERVER_PROTOCOL": message["protocol"],
        "REMOTE_ADDR": message["remoteAddress"],
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
        "wsgi.version": (1, 0),
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        **refused,
        **dict(zip(parts[::2], parts[1::2], strict=True)),
    }


def request_time(message: Message) -> timedelta:
    """How long the request took."""
    return timedelta(milliseconds=message["durationMs"])
