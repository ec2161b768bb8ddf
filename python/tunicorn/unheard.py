"""Signals that a process does not act upon."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Sequence
from types import FrameType


def leave_unheard(number: int) -> None:
    """Lets a signal do nothing here.

    Not by SIG_IGN, which a program that the application starts would inherit: SIGTERM could not end it.
    """
    signal.signal(number, _do_nothing)
    # What C code of the application waits for goes on.
    signal.siginterrupt(number, False)


def ignore_at_exit(numbers: Sequence[int]) -> None:
    """Keeps signals from ending this process, and those that are forked from it, amid their end.

    An interpreter that ends takes back handlers that are functions, and has much to do after that.
    """
    atexit.register(_ignore, numbers)


def _ignore(numbers: Sequence[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
