"""The types of ASGI 3 (asgi.readthedocs.io), as far as a server needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tunicorn.exception_chain import chain_of

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[object]]


class ClientDisconnectedError(OSError):
    """What send() raises once the client is gone (spec version 2.4)."""


def is_about_disconnect(error: BaseException) -> bool:
    """Whether an exception is, or comes of, a send() to a client that was gone."""
    return any(isinstance(each, ClientDisconnectedError) for each in chain_of(error))
