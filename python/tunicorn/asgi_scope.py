"""The connection scope of ASGI, made of the head that the router has cooked (src/channel/frame.md)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from tunicorn import frame
from tunicorn.asgi_types import Scope

#: Of the message format. Above 2.3 an application expects send() to raise when its client has left, which
#: would keep it from what it does after the response. uvicorn and Gunicorn do not raise either.
HTTP_SPEC_VERSION: Final = "2.3"
WEBSOCKET_SPEC_VERSION: Final = "2.4"

#: Parts of a head before its fields.
FIXED_PARTS: Final = 10

_HTTP_EXTENSIONS: Final = ("http.response.early_hint", "http.response.trailers", "http.response.pathsend")
#: Where the router may not read the application's files (`sendfile`).
_EXTENSIONS_WITHOUT_FILES: Final = _HTTP_EXTENSIONS[:2]
_WEBSOCKET_EXTENSIONS: Final = ("websocket.http.response",)


def make_scope(
    head: bytes, state: dict[str, Any], *, is_websocket: bool = False, sends_files: bool = True
) -> Scope:
    """The scope of a request. What the application may change in it is made anew for each."""
    parts = head.split(b"\0")
    if len(parts) < FIXED_PARTS or len(parts) % 2:
        raise frame.ProtocolError(f"the head of a request has {len(parts)} parts")
    method, version, scheme, root, raw_path, query, client, client_port, server, server_port = parts[
        :FIXED_PARTS
    ]
    extensions = _HTTP_EXTENSIONS if sends_files else _EXTENSIONS_WITHOUT_FILES
    spec_version = WEBSOCKET_SPEC_VERSION if is_websocket else HTTP_SPEC_VERSION
    scope: Scope = {
        "type": "websocket" if is_websocket else "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": version.decode("latin-1"),
        "scheme": scheme.decode("latin-1"),
        "method": method.decode("latin-1"),
        "path": _decode_path(raw_path),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root.decode("utf-8", "replace"),
        "headers": list(zip(parts[FIXED_PARTS::2], parts[FIXED_PARTS + 1 :: 2], strict=True)),
        "client": (client.decode("latin-1"), int(client_port)) if client else None,
        "server": _server(server, server_port),
        "state": state.copy(),
        "extensions": {name: {} for name in (_WEBSOCKET_EXTENSIONS if is_websocket else extensions)},
    }
    if is_websocket:
        del scope["method"]
        scope["subprotocols"] = _subprotocols(scope["headers"])
    return scope


def _decode_path(raw_path: bytes) -> str:
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("utf-8", "replace")


def _server(host: bytes, port: bytes) -> tuple[str, int | None] | None:
    """A path and None for a Unix socket."""
    return (host.decode("utf-8", "replace"), int(port) if port else None) if host else None


def _subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [token.strip() for value in values for token in value.split(",") if token.strip()]
