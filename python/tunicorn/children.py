"""Children of the mold, which an application that is preloaded may have reaped: it has the same process."""

from __future__ import annotations

import os
from contextlib import suppress


def wait_status(pid: int) -> int | None:
    """The status of a child that has ended, as os.waitpid() gives it; None while it lives.

    0 where the application has it: it waits for all children, or ignores SIGCHLD.
    """
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return None if done == 0 else status


def send_signal(pid: int, number: int) -> None:
    """Signals a child, which may have ended and not been missed yet."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
