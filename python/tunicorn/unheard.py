"""Signals that a process does not act upon."""

from __future__ import annotations

import signal
from types import FrameType


def leave_unheard(number: int) -> None:
    """Lets a signal do nothing here.

    Not by SIG_IGN, which a program that the application starts would inherit: SIGTERM could not end it.
    """
    signal.signal(number, _do_nothing)
    # What C code of the application waits for goes on.
    signal.siginterrupt(number, False)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
