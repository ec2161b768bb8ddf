"""Signals that an application sends to the parent of its worker: with Gunicorn that is the arbiter."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

#: What the arbiter acts upon. They also come here when they were sent to the whole process group.
ARBITER_SIGNALS: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class PassedSignals:
    """Those that have come to the mold, which does nothing about them but tell the arbiter."""

    def __init__(self) -> None:
        self._came: list[int] = []

    def listen(self) -> None:
        """By handlers, not by SIG_IGN, which a program that the application starts would inherit."""
        for number in ARBITER_SIGNALS:
            signal.signal(number, self._note)
            # What C code of the application waits for goes on.
            signal.siginterrupt(number, False)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(number)

    def take(self) -> list[str]:
        """The names of those that have come since the last call."""
        came, self._came = self._came, []
        return [signal.Signals(number).name for number in came]
