"""Ends the wait of a thread, which a signal alone does not: handlers run in the main thread."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


class Waker:
    """For poll, beside what is waited for. It lives as long as its process."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for fd in (self._read, self._write):
            os.set_blocking(fd, False)

    def wake_by_signals(self) -> None:
        """Every signal with a handler wakes, whichever thread the kernel has given it to."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """For poll."""
        return self._read

    def wake(self) -> None:
        """From another thread, or a signal handler: the wait ends, or does not begin."""
        with suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def clear(self) -> None:
        """The next wait is one again."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)
