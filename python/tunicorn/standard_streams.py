"""Standard output and standard error, where the user's code may have put anything."""

from __future__ import annotations

import sys
from contextlib import suppress


def flush_standard_streams() -> None:
    """Before a fork, else the child would write the same text once more.

    A target that is full or gone costs its text, and a stream may be None (closed when Python started).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
