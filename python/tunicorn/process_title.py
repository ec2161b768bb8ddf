"""Process titles: what ps shows in place of the command line."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from typing import Final

#: Fields of /proc/self/stat behind the name: where the arguments lie in memory (proc_pid_stat(5)).
_ARGUMENTS_START: Final = 45
_ARGUMENTS_END: Final = 46

#: The kernel's own name of a process holds this much.
_NAME_BYTES: Final = 15


def set_process_title(title: str) -> None:
    """Shows the title in ps: by setproctitle where it is installed, else over the process's arguments."""
    if sys.platform == "darwin":
        # Gunicorn sets none there: what setproctitle calls is not safe in a forked process.
        return
    try:
        module = importlib.import_module("setproctitle")
    except ImportError:
        # Where /proc is hidden or read-only, the title stays what it was.
        with suppress(OSError, ValueError, IndexError):
            _overwrite_arguments(title.encode())
        return
    module.setproctitle(title)


def _overwrite_arguments(title: bytes) -> None:
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    start = int(fields[_ARGUMENTS_START])
    # The last byte stays NUL: without it the kernel takes the environment behind it for more of the title.
    room = int(fields[_ARGUMENTS_END]) - start - 1
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(title[:room].ljust(room, b"\0"))
    with open("/proc/self/comm", "wb", buffering=0) as name:
        name.write(title[:_NAME_BYTES])
