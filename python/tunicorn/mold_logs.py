"""The logs of a mold: the logger that its workers inherit, and the log process where there is one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from tunicorn.log import Logger, reopen
from tunicorn.log_process import LogProcess
from tunicorn.logger_class import LoggerConfig, LoggerError, make_logger

if TYPE_CHECKING:
    from tunicorn.control import Message
    from tunicorn.hooks import Hook
    from tunicorn.identity import Identity


class MoldLogs:
    """Sets up logging as the settings say, and keeps it."""

    def __init__(self, leave_mold: Callable[[], None]) -> None:
        """`leave_mold` lets go, in a forked process, of what is the mold's."""
        self._leave_mold = leave_mold
        self._process: LogProcess | None = None
        #: Without handlers until the settings are known.
        self.logger = Logger()

    def configure(
        self, message: Message, hooks: Mapping[str, Hook], originals: Mapping[str, object], identity: Identity
    ) -> None:
        """Takes the arbiter's order to configure. Raises LoggerError with a text for the operator."""
        place = message["logProcess"]
        is_access_relayed = place is not None and place["takesAccess"]
        settings = {**message["settings"], "errorlog": message["errorLog"]}
        if not is_access_relayed:
            settings["accesslog"] = None
        cfg = LoggerConfig(
            settings, hooks, originals=originals, identity=identity, is_access_relayed=is_access_relayed
        )
        try:
            self.logger = make_logger(cfg)
            if place is not None:
                self._process = LogProcess(place["socketPath"], self.logger, cfg, identity)
        except OSError as error:
            raise LoggerError(f"Cannot open the logs: {error}") from error
        if self._process is not None:
            self._process.start(self._leave_mold)

    def keep(self) -> None:
        """Replaces a log process that has ended."""
        if self._process is not None:
            self._process.keep(self._leave_mold)

    def reopen(self, workers: Iterable[int]) -> None:
        """Opens log files anew, here for workers that are forked later, and in those with these pids."""
        reopen(self.logger)
        if self._process is not None:
            self._process.reopen_files()
        for pid in workers:
            os.kill(pid, signal.SIGUSR1)

    def leave(self) -> None:
        """In a forked worker: what is the mold's alone is let go."""
        if self._process is not None:
            self._process.leave()
