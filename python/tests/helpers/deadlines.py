"""How long a test waits for a fact before it fails. Facts come in milliseconds; a loaded machine is slow."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

DEADLINE_SECONDS: Final = 30.0

#: For what has to happen at once, and would happen by itself after ten seconds or more.
AT_ONCE_SECONDS: Final = 5.0


def wait_for_file(path: Path) -> None:
    """Waits for a file that another process makes."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not made"
        time.sleep(0.01)


@contextmanager
def deadline(seconds: float = DEADLINE_SECONDS) -> Iterator[None]:
    """Fails what waits in this thread, which must be the main one, beyond its time."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"not within {seconds} seconds")

    handler = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
