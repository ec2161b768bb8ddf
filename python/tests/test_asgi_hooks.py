"""pre_request and post_request around an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tunicorn.asgi_hooks import make_environ, with_request_hooks
from tunicorn.asgi_types import AsgiApplication, Message, Receive, Scope, Send
from tunicorn.config import Config
from tunicorn.hook_objects import HookRequest, HookResponse
from tunicorn.hooks import Hook, HookError
from tunicorn.log import Logger
from tunicorn.server import Server
from tunicorn.workers.base import Worker

SETTINGS = {"workers": 1, "threads": 1, "max_requests": 0, "max_requests_jitter": 0, "timeout": 30}

SCOPE: Scope = {
    "type": "http",
    "http_version": "1.1",
    "scheme": "https",
    "method": "POST",
    "path": "/shop/caf\u00e9",
    "raw_path": b"/shop/caf%C3%A9",
    "query_string": b"a=1",
    "root_path": "/shop",
    "headers": [
        (b"host", b"example.org"),
        (b"accept", b"a"),
        (b"accept", b"b"),
        (b"content-type", b"text/plain"),
    ],
    "client": ("192.0.2.7", 4711),
    "server": ("127.0.0.1", 8000),
}


class Call:
    """A call of an application between hooks that take note of what they get."""

    def __init__(self, logger: Logger) -> None:
        self._server = Server(Config(SETTINGS, {}), logger, 1)
        self.requests: list[HookRequest] = []
        self.posts: list[tuple[HookRequest, dict[str, Any], HookResponse | None]] = []
        self.sent: list[Message] = []

    def run(
        self,
        application: AsgiApplication,
        hooks: Mapping[str, Hook] | None = None,
        scope: Scope = SCOPE,
    ) -> object:
        usual: dict[str, Hook] = {"pre_request": self._pre_request, "post_request": self._post_request}
        self._server.cfg = Config(SETTINGS, {**usual, **(hooks or {})})
        worker = Worker.make(self._server, 1, None)

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        async def call() -> object:
            return await with_request_hooks(worker, application)(scope, receive, send)

        return asyncio.run(call())

    def _pre_request(self, _worker: Worker, req: HookRequest) -> None:
        self.requests.append(req)

    def _post_request(
        self, _worker: Worker, req: HookRequest, environ: dict[str, Any], resp: HookResponse | None
    ) -> None:
        self.posts.append((req, environ, resp))


@pytest.fixture
def call(logger: Logger) -> Call:
    return Call(logger)


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"he", "more_body": True})
    await send({"type": "http.response.body", "body": b"llo"})


def test_without_hooks_the_application_is_called_directly(logger: Logger) -> None:
    worker = Worker.make(Server(Config(SETTINGS, {"on_exit": print}), logger, 1), 1, None)
    assert with_request_hooks(worker, hello) is hello


def test_the_hooks_see_request_and_response(call: Call) -> None:
    call.run(hello)
    (request,) = call.requests
    assert (request.method, request.uri, request.path) == ("POST", "/shop/caf%C3%A9?a=1", "/shop/caf%C3%A9")
    assert (request.query, request.version, request.scheme) == ("a=1", (1, 1), "https")
    assert request.remote_addr == ("192.0.2.7", 4711)
    assert dict(request.headers) == {"HOST": "example.org", "ACCEPT": "a,b", "CONTENT-TYPE": "text/plain"}
    ((after, environ, response),) = call.posts
    assert after is request
    assert environ["PATH_INFO"] == "/caf\u00c3\u00a9"
    assert response is not None
    assert (response.status, response.status_code) == ("201 Created", 201)
    assert response.headers == [("content-type", "text/plain"), ("content-length", "5")]
    assert (response.sent, response.response_length, response.headers_sent) == (5, 5, True)
    assert len(call.sent) == 3


def test_a_file_that_the_router_sends_counts(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1234)

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 599})
        await send({"type": "http.response.pathsend", "path": str(path)})

    call.run(application)
    response = call.posts[0][2]
    assert response is not None
    assert (response.status, response.sent) == ("599 ", 1234)


def test_a_pre_request_that_raises_keeps_the_application_from_being_called(call: Call) -> None:
    def pre_request(_worker: Worker, _req: HookRequest) -> None:
        raise RuntimeError("no vault")

    with pytest.raises(HookError, match="The hook pre_request raised") as caught:
        call.run(hello, {"pre_request": pre_request})
    assert str(caught.value.__cause__) == "no vault"
    assert call.sent == []
    assert call.posts[0][2] is None


def test_an_application_that_raises_has_no_status(call: Call) -> None:
    async def application(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("no vault")

    with pytest.raises(RuntimeError, match="no vault"):
        call.run(application)
    response = call.posts[0][2]
    assert response is not None
    assert (response.status, response.headers_sent, response.sent) == (None, False, 0)


def test_a_post_request_that_raises_is_logged(call: Call, log_path: Path) -> None:
    def post_request(*_arguments: object) -> None:
        raise RuntimeError("no vault")

    call.run(hello, {"post_request": post_request})
    assert len(call.sent) == 3
    assert "[ERROR] The hook post_request raised\nTraceback" in log_path.read_text()


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_what_is_no_request_has_no_hooks(call: Call, kind: str) -> None:
    async def application(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    call.run(application, scope={**SCOPE, "type": kind})
    assert (call.requests, call.posts) == ([], [])


def test_a_client_on_a_unix_socket_has_no_address() -> None:
    environ = make_environ({**SCOPE, "client": None, "server": ("/run/a.sock", None)})
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("/run/a.sock", "")
    assert HookRequest(environ).remote_addr == ("", 0)
