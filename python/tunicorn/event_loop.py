"""The event loop of a worker."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tunicorn.log import Logger


def make_loop(kind: str, log: Logger) -> asyncio.AbstractEventLoop:
    """A new loop by the setting asgi_loop: uvloop's where it is installed, unless asyncio is asked for."""
    if kind != "asyncio":
        try:
            uvloop = importlib.import_module("uvloop")
        except ImportError as error:
            if kind == "uvloop":
                log.warning(
                    "asgi_loop is uvloop, which cannot be imported (%s); asyncio serves instead", error
                )
        else:
            return cast(asyncio.AbstractEventLoop, uvloop.new_event_loop())
    return asyncio.new_event_loop()
