"""For --spew: writes every line of Python that is executed to standard output, in Gunicorn's form."""

from __future__ import annotations

import linecache
import sys
import threading
from types import FrameType
from typing import Any


def start_spewing() -> None:
    """Traces this thread and those that are started from now on."""
    threading.settrace(_trace)
    sys.settrace(_trace)


def _trace(frame: FrameType, event: str, _argument: Any) -> Any:
    if event == "line":
        name = frame.f_globals.get("__name__", "[unknown]")
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).rstrip()
        if not line:
            line = f"Unknown code named [{frame.f_code.co_name}].  VM instruction #{frame.f_lasti}"
        # At once: the last line tells where a hanging program is.
        print(f"{name}:{frame.f_lineno}: {line}", flush=True)
    return _trace
