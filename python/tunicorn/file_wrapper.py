"""wsgi.file_wrapper: files that applications return, which the router may read by itself (PEP 3333)."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileWrapper:
    """wsgi.file_wrapper: gives a file-like object out in blocks."""

    def __init__(self, filelike: Any, block_bytes: int = 64 * 1024) -> None:
        self.filelike = filelike
        self.blksize = block_bytes
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while True:
            block = self.filelike.read(self.blksize)
            if not block:
                return
            yield block


class PlainFileWrapper(FileWrapper):
    """The same for a worker whose files the router cannot, or is not to, read itself."""


def file_part(filelike: Any) -> tuple[bytes, int, int] | None:
    """Path, start and length of what is left of a file-like object, if the router can read it itself.

    The path is that of our descriptor, so that it also leads to a file without a name.
    """
    raw = getattr(filelike, "raw", filelike)
    if type(raw) is not io.FileIO or not isinstance(
        filelike, io.FileIO | io.BufferedReader | io.BufferedRandom
    ):
        return None
    try:
        fd = filelike.fileno()
        status = os.fstat(fd)
        start = filelike.tell()
    except (AttributeError, OSError, ValueError):
        return None
    path = f"/proc/{os.getpid()}/fd/{fd}"
    if not stat.S_ISREG(status.st_mode) or start >= status.st_size or not os.path.exists(path):
        return None
    return path.encode(), start, status.st_size - start
