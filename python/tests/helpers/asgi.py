"""ASGI applications of the tests."""

from __future__ import annotations

#: What they begin with. A call that awaits gate() goes on when the test makes the file.
PRELUDE = """
import asyncio
import os

TEXT = [(b"content-type", b"text/plain")]


async def start(send, status=200, headers=TEXT, **more):
    await send({"type": "http.response.start", "status": status, "headers": headers, **more})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def gate():
    while not os.path.exists("gate"):
        await asyncio.sleep(0.01)
"""


def application(handler: str) -> str:
    """A module whose application gives HTTP requests to `async def handle(scope, receive, send)`."""
    return f"""{PRELUDE}
{handler}


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("want http")
    return await handle(scope, receive, send)
"""
