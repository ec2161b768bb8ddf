"""The Python stacks of a worker that hangs, where the error log is no plain text to write them into."""

from __future__ import annotations

import os


class StackFile:
    """A file without a name, which a worker writes its stacks into and the mold makes records of."""

    def __init__(self) -> None:
        self._fd = _open()
        self._seen = 0
        self._taken = 0

    def fileno(self) -> int:
        """For faulthandler, which writes in the worker even when Python code never runs again."""
        return self._fd

    def take(self, *, is_complete: bool) -> str:
        """What was written since the last time. Nothing as long as it grows, unless all is complete."""
        size = os.fstat(self._fd).st_size
        is_growing = size > self._seen and not is_complete
        self._seen = size
        if size == self._taken or is_growing:
            return ""
        # The worker shares our place in the file, which must stay at its end.
        data = os.pread(self._fd, size - self._taken, self._taken)
        self._taken = size
        return data.decode(errors="replace").strip()

    def close(self) -> None:
        """Lets the file go."""
        os.close(self._fd)


def _open() -> int:
    """In memory where the system can: there may be no folder to write to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tunicorn-stacks")
    import tempfile  # noqa: PLC0415 -- seldom needed

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
