"""The types of ASGI 3 (asgi.readthedocs.io), as far as a server needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[object]]


class ClientDisconnectedError(OSError):
    """What send() raises once the client is gone (spec version 2.4)."""


def is_about_disconnect(error: BaseException | None) -> bool:
    """Whether an exception is, or comes of, a send() to a client that was gone."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        candidate = waiting.pop()
        if candidate is None or id(candidate) in seen:
            continue
        if isinstance(candidate, ClientDisconnectedError):
            return True
        seen.add(id(candidate))
        waiting += (candidate.__cause__, candidate.__context__)
    return False
