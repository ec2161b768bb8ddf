"""The hooks pre_request and post_request of ASGI. Nothing here runs unless there is one of them."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tunicorn.asgi_scope import target_of
from tunicorn.hook_objects import HookRequest, HookResponse, environ_name
from tunicorn.hooks import call_post_request, call_pre_request

if TYPE_CHECKING:
    from tunicorn.asgi_types import AsgiApplication, Message, Receive, Scope, Send
    from tunicorn.workers.base import Worker


def with_request_hooks(worker: Worker, application: AsgiApplication) -> AsgiApplication:
    """The application between its hooks; itself, when there are none. They run on the event loop."""
    pre_request, post_request = (worker.cfg.hook(name) for name in ("pre_request", "post_request"))
    if pre_request is None and post_request is None:
        return application

    async def call(scope: Scope, receive: Receive, send: Send) -> object:
        if scope["type"] != "http":
            return await application(scope, receive, send)
        environ = make_environ(scope)
        request = HookRequest(environ)
        facts: HookResponse | None = None
        try:
            if pre_request is not None:
                call_pre_request(pre_request, worker, request)
            facts = HookResponse()
            return await application(scope, receive, _recording(send, facts))
        finally:
            if post_request is not None:
                call_post_request(post_request, worker, request, environ, facts)

    return call


def _recording(send: Send, facts: HookResponse) -> Send:
    async def record(message: Message) -> None:
        await send(message)
        kind = message["type"]
        if kind == "http.response.start":
            status = int(message["status"])
            known = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
            facts.status = f"{status} {known}"
            facts.headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
        elif kind == "http.response.body":
            facts.headers_sent = True
            facts.sent += len(message.get("body", b""))
        elif kind == "http.response.pathsend":
            facts.headers_sent = True
            facts.sent += os.path.getsize(message["path"])

    return record


def make_environ(scope: Scope) -> dict[str, Any]:
    """What a WSGI application would find of the same request, without its body."""
    root: str = scope["root_path"]
    client, server = scope["client"], scope["server"]
    query: bytes = scope["query_string"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "RAW_URI": target_of(scope),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0] if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
        "SERVER_NAME": server[0] if server else "",
        "SERVER_PORT": str(server[1] or "") if server else "",
        "SCRIPT_NAME": root,
        "PATH_INFO": scope["path"].removeprefix(root).encode().decode("latin-1"),
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, value in scope["headers"]:
        key = environ_name(name.decode("latin-1"))
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
