"""What hooks find as server.log and worker.log, with Gunicorn's names for those who derive from it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from tunicorn.access_atoms import JSON_ATOM, SafeAtoms, json_line, make_atoms
from tunicorn.log_json import JsonFormatter, RecordStream
from tunicorn.log_stream import make_handler, reopen_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tunicorn.config import Config

LEVELS: Final = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class LoggingConfigError(Exception):
    """What the settings say about logging cannot be; the text is for the operator."""


class Logger:
    """Sends records through the loggers "gunicorn.error" and "gunicorn.access", whose handlers it sets up.

    Every process that runs Python code has one. Access records are made in the log process alone.
    """

    LOG_LEVELS = LEVELS
    loglevel = logging.INFO

    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"

    atoms_wrapper_class: Callable[[dict[str, Any]], dict[str, Any]] = SafeAtoms

    def __init__(self, cfg: Config | None = None) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.error_log.propagate = False
        self.access_log = logging.getLogger("gunicorn.access")
        self.access_log.propagate = False
        self.error_handlers: list[logging.Handler] = []
        self.access_handlers: list[logging.Handler] = []
        #: Standard output and standard error of this process, if they are captured.
        self.logfile: TextIO | None = None
        #: A signal handler opens the files anew, which a second signal may interrupt.
        self.lock = threading.RLock()
        if cfg is not None:
            self.cfg = cfg
            self.setup(cfg)

    def setup(self, cfg: Any) -> None:
        """Takes the settings over. Raises LoggingConfigError, or OSError when a log cannot be opened."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        for log in (self.error_log, self.access_log):
            self._remove_own_handlers(log)
        if cfg.capture_output and cfg.errorlog != "-":
            self._capture_output()
        formatter = JsonFormatter() if cfg.error_log_json else logging.Formatter(self.error_fmt, self.datefmt)
        self._set_handler(self.error_log, cfg.errorlog, formatter)
        # Without the log process the router writes the access log by itself.
        if cfg.accesslog is not None and cfg.is_access_relayed:
            self._set_handler(
                self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt), stream=sys.stdout
            )
        if cfg.syslog:
            self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
            if not cfg.disable_redirect_access_to_syslog:
                self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")
        if cfg.logconfig_dict or cfg.logconfig_json or cfg.logconfig:
            from tunicorn.logging_config import apply_logging_config  # noqa: PLC0415 -- seldom needed

            apply_logging_config(cfg)

    @property
    def access_log_enabled(self) -> bool:
        """Whether anybody wants access records."""
        cfg = self.cfg
        return bool(
            cfg.accesslog
            or cfg.logconfig
            or cfg.logconfig_dict
            or cfg.logconfig_json
            or (cfg.syslog and not cfg.disable_redirect_access_to_syslog)
        )

    def atoms(
        self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta
    ) -> dict[str, Any]:
        """What the access log's format may ask for, by name."""
        atoms = make_atoms(resp, req, environ, request_time)
        atoms["t"], atoms["p"] = self.now(), f"<{self.pid()}>"
        return atoms

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> None:
        """Makes the access record of a request; the arguments are what the router knows of Gunicorn's."""
        if not self.access_log_enabled:
            return
        atoms = self.atoms(resp, req, environ, request_time)
        wrapped = self.atoms_wrapper_class(atoms)
        message = str(self.cfg.access_log_format)
        if self.cfg.access_log_json:
            finished_at = getattr(resp, "finished_at", time.time())
            wrapped[JSON_ATOM] = json_line(message, atoms, finished_at, self.pid())
            message = f"%({JSON_ATOM})s"
        try:
            self.access_log.info(message, wrapped)
        except Exception:
            self.error(traceback.format_exc())

    def now(self) -> str:
        """The time as the access log writes it."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def pid(self) -> int:
        """The process that answered the request."""
        return os.getpid()

    def reopen_files(self) -> None:
        """Opens log files anew, after they were moved away."""
        if self.logfile is not None:
            with suppress(OSError), self.lock:
                self._capture_output()
        reopen_files()

    def close_on_exec(self) -> None:
        """Python's files are closed on exec anyhow."""

    def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Logs at level critical, as do the others at theirs; arguments are those of logging.Logger."""
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: object, *args: object, **kwargs: Any) -> None:
        number = self.LOG_LEVELS.get(lvl.lower(), logging.INFO) if isinstance(lvl, str) else lvl
        self.error_log.log(number, msg, *args, **kwargs)

    def _set_handler(
        self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: TextIO | None = None
    ) -> None:
        """Puts a handler in the place of the one that was set up before."""
        self._remove_own_handlers(log)
        if output is not None:
            self._add_handler(log, make_handler(output, 1 if stream is sys.stdout else 2), fmt)

    def _remove_own_handlers(self, log: logging.Logger) -> None:
        for handler in [each for each in log.handlers if getattr(each, "_gunicorn", False)]:
            log.removeHandler(handler)
            handler.close()

    def _set_syslog_handler(self, log: logging.Logger, cfg: Any, fmt: str, name: str) -> None:
        from tunicorn.log_syslog import SyslogHandler  # noqa: PLC0415 -- seldom needed

        prefix = cfg.syslog_prefix or cfg.proc_name.replace(":", ".")
        try:
            handler = SyslogHandler(cfg.syslog_addr, cfg.syslog_facility)
        except ValueError as error:
            raise LoggingConfigError(str(error)) from error
        self._add_handler(log, handler, logging.Formatter(f"gunicorn.{prefix}.{name}: {fmt}"))

    def _add_handler(self, log: logging.Logger, handler: logging.Handler, fmt: logging.Formatter) -> None:
        handler.setFormatter(fmt)
        handler._gunicorn = True  # type: ignore[attr-defined]  # Gunicorn's mark of its own handlers
        log.addHandler(handler)

    def _get_gunicorn_handler(self, log: logging.Logger) -> logging.Handler | None:
        return next((each for each in log.handlers if getattr(each, "_gunicorn", False)), None)

    def _capture_output(self) -> None:
        """Lets standard output and standard error go to the file of the error log (capture_output)."""
        logfile = open(self.cfg.errorlog, "a")  # noqa: SIM115 -- it stays open
        for stream, fd in (sys.stdout, 1), (sys.stderr, 2):
            stream.flush()
            os.dup2(logfile.fileno(), fd)
        if self.logfile is not None:
            self.logfile.close()
        self.logfile = logfile
        if self.cfg.error_log_json:
            sys.stdout = cast(TextIO, RecordStream("stdout", logging.INFO, sys.__stdout__))
            sys.stderr = cast(TextIO, RecordStream("stderr", logging.ERROR, sys.__stderr__))
        elif hasattr(sys.stdout, "reconfigure"):
            # A file would be written in blocks, long after the lines of the log.
            sys.stdout.reconfigure(line_buffering=True)


def reopen(logger: Logger) -> None:
    """Opens log files anew; a class of the user's own may fail to, which must not end anything."""
    try:
        logger.reopen_files()
    except Exception as error:
        logger.error("Cannot reopen the log files: %s", error)
