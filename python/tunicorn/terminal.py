"""What a process does to go on without the terminal that it was started in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tunicorn.standard_streams import flush_standard_streams

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Gunicorn's: files of a daemon are not for others to write.
DAEMON_UMASK: Final = 0o022


def leave_terminal(silent: Iterable[int]) -> None:
    """Goes to a session of its own, as part of a daemon; these output streams lead nowhere from now on."""
    os.setsid()
    os.umask(DAEMON_UMASK)
    flush_standard_streams()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in silent:
        os.dup2(nowhere, fd)
    os.close(nowhere)
