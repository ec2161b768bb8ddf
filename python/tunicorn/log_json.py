"""The error log as JSON lines (error_log_json). src/log/error-format.ts writes the same members."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Final, TextIO

#: What is written without an end of line is a record of its own beyond this.
PENDING_LIMIT: Final = 64 * 1024


class JsonFormatter(logging.Formatter):
    """Makes a record one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The object's text, on one line."""
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        members: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "pid": record.process,
            "message": record.getMessage(),
        }
        stream = getattr(record, "text_stream", None)
        if stream is not None:
            members["stream"] = stream
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            members["stack"] = record.stack_info
        return json.dumps(members, ensure_ascii=False)


class RecordStream:
    """A text stream whose text becomes records of the handlers that write JSON."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, level: int, stands_for: TextIO | None = None) -> None:
        """`stands_for` takes what is written as bytes, which is no text to make records of."""
        self.name = name
        self.buffer = getattr(stands_for, "buffer", None)
        self._level = level
        self._pending = ""

    def write(self, text: str) -> int:
        """What ends in a line end is one record, with all lines in it."""
        self._pending += text
        if text.endswith("\n") or len(self._pending) > PENDING_LIMIT:
            self.flush()
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Writes each of the texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Gives out what has no line end yet."""
        # Nothing comes between the two: what another thread took as well would be written twice.
        pending, self._pending = self._pending, ""
        message = pending.rstrip("\n")
        if not message:
            return
        log = logging.getLogger("gunicorn.error")
        record = log.makeRecord(log.name, self._level, __file__, 0, message, (), None)
        record.text_stream = self.name
        for handler in log.handlers:
            if isinstance(handler.formatter, JsonFormatter):
                handler.handle(record)

    def isatty(self) -> bool:
        """It is none."""
        return False

    def writable(self) -> bool:
        """It is there to be written to."""
        return True
