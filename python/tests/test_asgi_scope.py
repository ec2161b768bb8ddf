"""The scope that an ASGI application gets."""

from __future__ import annotations

from typing import Any

import pytest
from tunicorn import asgi_scope
from tunicorn.asgi_scope import make_scope, target_of
from tunicorn.frame import ProtocolError

NAMES = (
    *("method", "version", "scheme", "root", "path", "query"),
    *("client", "client_port", "server", "server_port"),
)
HEAD = ["GET", "1.1", "http", "", "/", "", "192.0.2.7", "50123", "0.0.0.0", "8000"]


def scope_of(
    *,
    state: dict[str, Any] | None = None,
    is_websocket: bool = False,
    sends_files: bool = True,
    **parts: str,
) -> dict[str, Any]:
    head = [parts.get(name, default) for name, default in zip(NAMES, HEAD, strict=True)]
    fields = parts.get("fields", "")
    text = "\0".join(head) + (f"\0{fields}" if fields else "")
    octets = text.encode("latin-1")
    state = {} if state is None else state
    return make_scope(octets, state, is_websocket=is_websocket, sends_files=sends_files)


def test_a_scope_has_what_asgi_says() -> None:
    scope = scope_of(query="a=%20b", fields="host\0a.test\0x-a\0\xe9")
    extensions = scope.pop("extensions")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"a=%20b",
        "root_path": "",
        "headers": [(b"host", b"a.test"), (b"x-a", b"\xe9")],
        "client": ("192.0.2.7", 50123),
        "server": ("0.0.0.0", 8000),
        "state": {},
    }
    assert set(extensions) == {
        "http.response.early_hint",
        "http.response.trailers",
        "http.response.pathsend",
    }


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a%20b%2Fc", "/a b/c"),
        ("/caf%C3%A9", "/café"),
        ("/%E2%82%AC", "/€"),
        ("/%ff", "/�"),
        ("/100%", "/100%"),
        ("/\xc3\xa9", "/é"),
    ],
)
def test_the_path_is_decoded_and_the_raw_path_is_not(raw: str, path: str) -> None:
    scope = scope_of(path=raw)
    assert (scope["path"], scope["raw_path"]) == (path, raw.encode("latin-1"))


def test_a_websocket_has_subprotocols_and_no_method() -> None:
    fields = "sec-websocket-protocol\0chat, superchat,,\0sec-websocket-protocol\0third"
    scope = scope_of(scheme="wss", fields=fields, is_websocket=True)
    assert (scope["type"], scope["asgi"]["spec_version"]) == ("websocket", "2.4")
    assert scope["scheme"] == "wss"
    assert scope["subprotocols"] == ["chat", "superchat", "third"]
    assert "method" not in scope
    assert set(scope["extensions"]) == {"websocket.http.response"}


def test_a_client_on_a_unix_socket_has_no_address() -> None:
    assert scope_of(client="", client_port="")["client"] is None


def test_a_server_on_a_unix_socket_has_a_path_and_no_port() -> None:
    assert scope_of(server="/run/app.sock", server_port="")["server"] == ("/run/app.sock", None)
    assert scope_of(server="", server_port="")["server"] is None


def test_where_no_file_can_be_sent_none_is_offered() -> None:
    assert "http.response.pathsend" not in scope_of(sends_files=False)["extensions"]


def test_texts_of_clients_are_not_kept_without_bound() -> None:
    for number in range(1000):
        scope = scope_of(method=f"M{number}", server=f"host-{number}")
        assert (scope["method"], scope["server"]) == (f"M{number}", (f"host-{number}", 8000))
    assert len(asgi_scope._texts) <= 256
    assert len(asgi_scope._servers) <= 256


@pytest.mark.parametrize(
    ("path", "query", "target"), [("/a%20b", "", "/a%20b"), ("/", "a=%20", "/?a=%20"), ("/\xe9", "", "/\xe9")]
)
def test_the_target_is_what_the_client_sent(path: str, query: str, target: str) -> None:
    assert target_of(scope_of(path=path, query=query)) == target


def test_each_request_has_a_state_and_extensions_of_its_own() -> None:
    state = {"database": object()}
    first, second = scope_of(state=state), scope_of(state=state)
    first["state"]["own"] = True
    first["extensions"]["http.response.trailers"]["own"] = True
    first["asgi"]["own"] = True
    assert (list(state), second["state"]) == (["database"], state)
    assert second["extensions"]["http.response.trailers"] == {}
    assert "own" not in second["asgi"]


@pytest.mark.parametrize(
    "head", [b"", b"GET\x001.1", "\0".join(HEAD[:8]).encode(), "\0".join([*HEAD, "odd"]).encode()]
)
def test_a_head_that_cannot_be_breaks_the_protocol(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        make_scope(head, {})
