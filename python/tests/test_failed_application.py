"""What is served with --reload in the place of an application that cannot be loaded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tunicorn.failed_application import FailedApplication

REPORT = 'File "<shop>"\nSyntaxError: a < b'


def test_a_wsgi_server_gets_the_reason_as_a_page() -> None:
    started: list[Any] = []
    body = b"".join(FailedApplication(REPORT)({}, lambda *arguments: started.append(arguments)))
    [(status, headers)] = started
    assert status == "500 Internal Server Error"
    assert dict(headers)["Content-Length"] == str(len(body))
    assert dict(headers)["Content-Type"] == "text/html; charset=utf-8"
    assert b"File &quot;&lt;shop&gt;&quot;\nSyntaxError: a &lt; b" in body


def test_an_asgi_server_gets_the_same_page() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(FailedApplication(REPORT)({"type": "http"}, None, send))
    start, body = sent
    assert start["status"] == 500
    assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
    assert b"SyntaxError: a &lt; b" in body["body"]


def test_a_file_name_that_is_not_utf_8_is_shown_escaped() -> None:
    (body,) = FailedApplication("cannot read caf\udce9")({}, lambda *_: None)
    assert b"cannot read caf\\udce9" in body


def test_an_asgi_server_gets_no_lifespan() -> None:
    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(FailedApplication(REPORT)({"type": "lifespan"}, None, None))
