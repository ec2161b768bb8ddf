"""Why a worker could not boot: it tells the mold through a pipe, which the mold reads when it has ended."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

#: A pipe holds this much without a reader.
LIMIT_BYTES: Final = 60 * 1024


def write_report(fd: int, report: str) -> None:
    """Called in the worker, as the last that it does."""
    # A name of a file that is not UTF-8 is shown as in any traceback.
    os.write(fd, report.encode(errors="backslashreplace")[:LIMIT_BYTES])


def read_report(fd: int) -> str | None:
    """What a worker that has ended has written, if anything. Closes the pipe."""
    with os.fdopen(fd, "rb") as pipe:
        os.set_blocking(fd, False)
        with suppress(BlockingIOError):
            return (pipe.read() or b"").decode(errors="replace") or None
    return None
