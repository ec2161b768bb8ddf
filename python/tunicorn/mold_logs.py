"""The logs of a mold: the logger that its workers inherit, and the log process where there is one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from tunicorn.children import send_signal
from tunicorn.error_log import writes_plain_text
from tunicorn.log import Logger, reopen
from tunicorn.logger_class import LoggerConfig, LoggerError, make_logger
from tunicorn.stack_file import StackFile

if TYPE_CHECKING:
    from tunicorn.control import Message
    from tunicorn.hooks import Hook
    from tunicorn.identity import Identity
    from tunicorn.log_process import LogProcess
    from tunicorn.workers.base import Worker


class MoldLogs:
    """Sets up logging as the settings say, and keeps the log process running."""

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
                from tunicorn.log_process import LogProcess  # noqa: PLC0415 -- seldom needed

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
            send_signal(pid, signal.SIGUSR1)

    def make_stack_file(self) -> StackFile | None:
        """For a worker that is about to be forked; None: its stacks go into the text of the error log."""
        return None if writes_plain_text() else StackFile()

    def tell_stacks(self, worker: Worker, *, is_complete: bool) -> None:
        """Makes a record of the stacks that a worker has written. `is_complete`: it has ended."""
        if worker.stack_file is None:
            return
        stacks = worker.stack_file.take(is_complete=is_complete)
        if stacks:
            self.logger.critical("Stacks of worker (pid:%s)\n%s", worker.pid, stacks)
        if is_complete:
            worker.stack_file.close()

    def drop_stacks(self, worker: Worker) -> None:
        """Lets go of the stacks of a worker that was not forked or, in a forked process, of another one."""
        if worker.stack_file is not None:
            worker.stack_file.close()

    def leave(self) -> None:
        """In a forked worker: what is the mold's alone is let go."""
        if self._process is not None:
            self._process.leave()
