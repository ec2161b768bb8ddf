"""The error log as Python sees it: the loggers that Gunicorn's users know, in Gunicorn's format."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

ERROR_FORMAT: Final = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT: Final = "[%Y-%m-%d %H:%M:%S %z]"

LEVELS: Final = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Logger:
    """What hooks find as server.log and worker.log.

    The records go through logging.getLogger("gunicorn.error"), whose handlers applications take over.
    """

    def __init__(self) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = False
        self.access_log.propagate = False
        self._handler: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr)

    def configure(self, path: str, level: str) -> None:
        """Sends the log to path, or to standard error for "-"."""
        handler: logging.StreamHandler[Any]
        handler = logging.StreamHandler(sys.stderr) if path == "-" else logging.FileHandler(path)
        handler.setFormatter(logging.Formatter(ERROR_FORMAT, DATE_FORMAT))
        for old in list(self.error_log.handlers):
            self.error_log.removeHandler(old)
            old.close()
        self.error_log.addHandler(handler)
        self.error_log.setLevel(LEVELS.get(level.lower(), logging.INFO))
        self._handler = handler

    @property
    def stream(self) -> TextIO:
        """Where the error log goes."""
        stream: TextIO = self._handler.stream
        return stream

    def reopen_files(self) -> None:
        """Opens a log file anew, after it was moved away."""
        for handler in self.error_log.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.acquire()
                try:
                    handler.close()
                    handler.stream = handler._open()
                finally:
                    handler.release()

    def critical(self, message: object, *args: object, **options: Any) -> None:
        """Logs at level critical, as do the others at theirs; arguments are those of logging.Logger."""
        self.error_log.critical(message, *args, **options)

    def error(self, message: object, *args: object, **options: Any) -> None:
        self.error_log.error(message, *args, **options)

    def warning(self, message: object, *args: object, **options: Any) -> None:
        self.error_log.warning(message, *args, **options)

    def info(self, message: object, *args: object, **options: Any) -> None:
        self.error_log.info(message, *args, **options)

    def debug(self, message: object, *args: object, **options: Any) -> None:
        self.error_log.debug(message, *args, **options)

    def exception(self, message: object, *args: object, **options: Any) -> None:
        self.error_log.exception(message, *args, **options)

    def log(self, level: int | str, message: object, *args: object, **options: Any) -> None:
        number = LEVELS.get(level.lower(), logging.INFO) if isinstance(level, str) else level
        self.error_log.log(number, message, *args, **options)


class ErrorStream:
    """wsgi.errors: text goes to the error log's target at once, in the order of the log's own lines."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def write(self, text: str) -> int:
        stream = self._logger.stream
        written = stream.write(text)
        stream.flush()
        return written

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._logger.stream.flush()
