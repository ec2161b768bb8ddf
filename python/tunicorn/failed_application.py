"""For --reload: what is served in the place of an application that cannot be loaded."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>The application cannot be loaded</title></head>
<body>
<h1>The application cannot be loaded</h1>
<pre>{report}</pre>
<p>It is tried again as soon as one of its files changes.</p>
</body>
</html>
"""

Send = Callable[[dict[str, Any]], Awaitable[None]]


class FailedApplication:
    """A WSGI and an ASGI application that answers everything with the reason of the failure."""

    def __init__(self, report: str) -> None:
        self._body = PAGE.format(report=html.escape(report)).encode(errors="backslashreplace")
        self._headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(self._body))),
            ("Cache-Control", "no-store"),
        ]

    def __call__(self, *arguments: Any) -> Any:
        """By the number of arguments: (environ, start_response), or (scope, receive, send)."""
        if len(arguments) == 2:
            return self._answer_wsgi(arguments[1])
        return self._answer_asgi(arguments[0], arguments[2])

    def _answer_wsgi(self, start_response: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
        start_response("500 Internal Server Error", self._headers)
        return [self._body]

    async def _answer_asgi(self, scope: dict[str, Any], send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the application cannot be loaded, and so answers no {scope['type']}")
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})
