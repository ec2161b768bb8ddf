"""Makes Python's log records of what arbiter and router tell. Runs in the log process."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tunicorn.log import Logger
from tunicorn.relayed_request import (
    Message,
    RelayedRequest,
    RelayedResponse,
    relayed_environ,
    request_time,
)
from tunicorn.statsd import StatsdLogger, StatsdSocket

if TYPE_CHECKING:
    from tunicorn.logger_class import LoggerConfig

#: What a logger raised is told so often at most.
COMPLAINT_SECONDS: Final = 60.0


class LogReceiver:
    """Hands messages to the logger. Its records look as if they had been made where the message is from."""

    def __init__(self, logger: Any, cfg: LoggerConfig) -> None:
        self._logger = logger
        self._pid = 0
        self._time = 0.0
        self._second = 0
        self._second_text = ""
        self._complained_at: dict[str, float] = {}
        host = cfg.statsd_host
        self._statsd = None if host is None else StatsdSocket(host)
        # With a class of our own the router counts requests by itself.
        is_counted = type(logger) is StatsdLogger
        self._access: Callable[..., None] = self._access_uncounted if is_counted else logger.access
        self._stamp_records()
        self._stamp_atoms()

    def receive(self, message: Message) -> None:
        """Handles one message. Whatever a logger of the user's own raises ends nothing."""
        try:
            if message["type"] == "metrics":
                if self._statsd is not None:
                    self._statsd.send(message["text"].encode())
                return
            self._pid, self._time = message["pid"], message["time"] / 1000
            if message["type"] == "error":
                log = getattr(self._logger, message["level"])
                metric = message.get("metric")
                log(message["message"], **({} if metric is None else {"extra": metric}))
            else:
                self._access(
                    RelayedResponse(message),
                    RelayedRequest(message),
                    relayed_environ(message),
                    request_time(message),
                )
        except Exception as error:
            self._complain(error)
        finally:
            self._pid = 0

    def _access_uncounted(self, *arguments: Any) -> None:
        Logger.access(self._logger, *arguments)

    def _stamp_records(self) -> None:
        """Records get the process and the time of the message that they are made of."""
        make_record = logging.getLogRecordFactory()
        # Who calls a logger here is of no interest, and looking for it takes a third of the time of a record.
        logging._srcfile = None

        def stamped(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make_record(*args, **kwargs)
            if self._pid != 0:
                record.process = self._pid
                record.created = self._time
                record.msecs = (self._time - int(self._time)) * 1000
            return record

        logging.setLogRecordFactory(stamped)

    def _stamp_atoms(self) -> None:
        """The atoms p and t are those of the message too, whatever class makes them."""
        logger = self._logger
        if isinstance(logger, Logger):
            logger.pid = lambda: self._pid or os.getpid()  # type: ignore[method-assign]  # of this object alone
            if type(logger).now is Logger.now:
                logger.now = self._now  # type: ignore[method-assign]  # of this object alone
            return
        make_atoms = getattr(logger, "atoms", None)
        if make_atoms is None:
            return
        own_pid = f"<{os.getpid()}>"

        def stamped(*args: Any) -> dict[str, Any]:
            atoms: dict[str, Any] = make_atoms(*args)
            if atoms.get("p") == own_pid:
                atoms["p"] = f"<{self._pid}>"
            if "t" in atoms:
                atoms["t"] = self._now()
            return atoms

        logger.atoms = stamped

    def _now(self) -> str:
        """When the request was answered, as the access log writes it."""
        second = int(self._time)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("[%d/%b/%Y:%H:%M:%S %z]", time.localtime(second))
        return self._second_text

    def _complain(self, error: Exception) -> None:
        """Tells of an error once a minute: it would come with every request."""
        what = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        if now < self._complained_at.get(what, 0.0):
            return
        if len(self._complained_at) > 100:
            self._complained_at.clear()
        self._complained_at[what] = now + COMPLAINT_SECONDS
        logging.getLogger("gunicorn.error").error("The logger raised %s", what, exc_info=error)
