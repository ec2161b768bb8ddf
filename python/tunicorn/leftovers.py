"""What the mold removes in the place of an arbiter that was killed."""

from __future__ import annotations

import os
import pathlib
import shutil
from contextlib import suppress


def remove_directories(*directories: str | None) -> None:
    """Removes those that were made. The router may be doing the same."""
    for directory in directories:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)


def remove_pidfile(path: str, pid: int) -> None:
    """Removes the pidfile of an arbiter that could not; not one that a later server has written."""
    with suppress(OSError, ValueError):
        if int(pathlib.Path(path).read_text()) == pid:
            os.unlink(path)
