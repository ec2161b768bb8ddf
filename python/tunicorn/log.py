"""The error log as Python sees it: the loggers that Gunicorn's users know, in Gunicorn's format."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from tunicorn.log_json import JsonFormatter, RecordStream
from tunicorn.log_stream import make_handler, reopen_files

if TYPE_CHECKING:
    from tunicorn.config import Config

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

    def __init__(self, cfg: Config | None = None) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = False
        self.access_log.propagate = False
        if cfg is not None:
            self.setup(cfg)

    def setup(self, cfg: Config) -> None:
        """Takes the settings over. Raises OSError when the log cannot be opened."""
        self.configure(cfg.errorlog, cfg.loglevel, is_json=cfg.error_log_json)

    def configure(self, path: str, level: str, *, is_json: bool = False) -> None:
        """Sends the log to path, or to standard error for "-"."""
        handler = make_handler(path, 2)
        handler.setFormatter(JsonFormatter() if is_json else logging.Formatter(ERROR_FORMAT, DATE_FORMAT))
        for old in list(self.error_log.handlers):
            self.error_log.removeHandler(old)
            old.close()
        self.error_log.addHandler(handler)
        self.error_log.setLevel(LEVELS.get(level.lower(), logging.INFO))

    @property
    def stream(self) -> TextIO:
        """Where the error log goes."""
        for handler in self.error_log.handlers:
            stream = getattr(handler, "stream", None)
            if hasattr(stream, "fileno"):
                return cast(TextIO, stream)
        return sys.stderr

    def reopen_files(self) -> None:
        """Opens log files anew, after they were moved away."""
        reopen_files()

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
        self._records = RecordStream("wsgi.errors", logging.ERROR)

    def write(self, text: str) -> int:
        for handler in self._logger.error_log.handlers:
            if isinstance(handler.formatter, JsonFormatter):
                return self._records.write(text)
        stream = self._logger.stream
        stream.write(text)
        stream.flush()
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._records.flush()
