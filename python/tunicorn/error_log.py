"""Where the error log goes, for text that is no record: that of applications, and stacks."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

from tunicorn.log_json import JsonFormatter, RecordStream
from tunicorn.log_stream import LogFileHandler, StandardStreamHandler


def _error_streams() -> list[TextIO]:
    handlers = logging.getLogger("gunicorn.error").handlers
    streams = [getattr(handler, "stream", None) for handler in handlers]
    return [cast(TextIO, stream) for stream in streams if hasattr(stream, "write")]


def error_stream() -> TextIO:
    """Where the error log goes: a stream with a descriptor."""
    return next((stream for stream in _error_streams() if hasattr(stream, "fileno")), sys.stderr)


def writes_plain_text() -> bool:
    """Whether the error log is a file or stream in our own format, into which other text may be written."""
    return any(
        isinstance(handler, LogFileHandler | StandardStreamHandler)
        and not isinstance(handler.formatter, JsonFormatter)
        for handler in logging.getLogger("gunicorn.error").handlers
    )


class ErrorStream:
    """wsgi.errors: text goes to the error log's targets at once, in the order of the log's own lines."""

    def __init__(self) -> None:
        self._records = RecordStream("wsgi.errors", logging.ERROR)

    def write(self, text: str) -> int:
        """Writes all of the text, or gives it up where it cannot be written."""
        handlers = logging.getLogger("gunicorn.error").handlers
        if any(isinstance(handler.formatter, JsonFormatter) for handler in handlers):
            return self._records.write(text)
        for stream in _error_streams() or [sys.stderr]:
            # It may be that of a handler of the user's own, on a disk that is full.
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Writes each of the texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Gives out what has no line end yet."""
        self._records.flush()
