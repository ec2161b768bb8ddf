"""The connection scope of ASGI, made of the head that the router has cooked (src/channel/frame.md)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from tunicorn import frame
from tunicorn.asgi_types import Scope

#: The version of the message format. Above 2.3 an application expects send() to raise when its client has
#: left, which would keep it from what it does after the response. uvicorn and Gunicorn do not raise either.
HTTP_SPEC_VERSION: Final = "2.3"
WEBSOCKET_SPEC_VERSION: Final = "2.4"

#: Parts of a head before its fields.
FIXED_PARTS: Final = 10

#: Texts that nearly all requests share: methods, versions, schemes, root paths.
_texts: dict[bytes, str] = {}
#: By host and port, or path, of a listener.
_servers: dict[tuple[bytes, bytes], tuple[str, int | None] | None] = {}
#: Clients choose some of these texts, and must not fill the memory with them.
_KNOWN_LIMIT: Final = 256


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
    path = raw_path.decode("utf-8", "replace")
    if "%" in path:
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": HTTP_SPEC_VERSION},
        "http_version": _texts.get(version) or _text(version),
        "scheme": _texts.get(scheme) or _text(scheme),
        "method": _texts.get(method) or _text(method),
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": (_texts.get(root) or _text(root)) if root else "",
        "headers": list(zip(parts[FIXED_PARTS::2], parts[FIXED_PARTS + 1 :: 2])),  # noqa: B905 -- as many, see above
        "client": (client.decode("latin-1"), int(client_port)) if client else None,
        "server": _servers.get((server, server_port)) or _server(server, server_port),
        "state": state.copy(),
        "extensions": {"http.response.early_hint": {}, "http.response.trailers": {}},
    }
    if is_websocket:
        scope["type"] = "websocket"
        scope["asgi"]["spec_version"] = WEBSOCKET_SPEC_VERSION
        scope["extensions"] = {"websocket.http.response": {}}
        scope["subprotocols"] = _subprotocols(scope["headers"])
        del scope["method"]
    elif sends_files:
        scope["extensions"]["http.response.pathsend"] = {}
    return scope


def target_of(scope: Scope) -> str:
    """The request target, made of the path and the query of a scope."""
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("latin-1")


def _text(octets: bytes) -> str:
    text = octets.decode("utf-8", "replace")
    if len(_texts) < _KNOWN_LIMIT:
        _texts[octets] = text
    return text


def _server(host: bytes, port: bytes) -> tuple[str, int | None] | None:
    """A path and None for a Unix socket."""
    found = (host.decode("utf-8", "replace"), int(port) if port else None) if host else None
    if len(_servers) < _KNOWN_LIMIT:
        _servers[host, port] = found
    return found


def _subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [token.strip() for value in values for token in value.split(",") if token.strip()]
