"""The log process: it has the handlers of the user's configuration, for records of arbiter and router.

It is forked from the mold, which has run the configuration file, before the application is imported. The mold
keeps it running; it leaves when the mold is gone and nobody is connected any more.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tunicorn.children import send_signal, wait_status
from tunicorn.log import Logger, reopen
from tunicorn.log_receiver import LogReceiver
from tunicorn.log_relay_reader import RelayReader
from tunicorn.process_title import set_process_title
from tunicorn.standard_streams import flush_standard_streams
from tunicorn.unheard import leave_unheard

if TYPE_CHECKING:
    from tunicorn.identity import Identity
    from tunicorn.logger_class import LoggerConfig

#: A log process that ended is replaced this often at most.
RESTART_SECONDS: Final = 1.0

#: How long a handler may hold the process back once nobody needs it any more.
STUCK_SECONDS: Final = 5.0

#: Signals that reach the whole process group; the arbiter decides what they mean.
UNHEARD_SIGNALS: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


class LogProcess:
    """The mold's view of the log process."""

    def __init__(self, path: str, logger: Logger, cfg: LoggerConfig, identity: Identity) -> None:
        """Listens at path; connections wait there until the process takes them. Raises OSError."""
        self._logger = logger
        self._cfg = cfg
        self._identity = identity
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        identity.give(path)
        self._listener.listen()
        #: The process holds the read end, and sees by its end that the mold is gone.
        self._lifeline = os.pipe()
        self.pid = 0
        self._started_at = 0.0

    def start(self, leave_mold: Callable[[], None]) -> None:
        """Forks the process. `leave_mold` lets go there of what is the mold's."""
        flush_standard_streams()
        self._started_at = time.monotonic()
        try:
            self.pid = os.fork()
        except OSError as error:
            self._logger.critical("Cannot fork the log process: %s", error)
            return
        if self.pid == 0:
            status = 1
            try:
                leave_mold()
                os.close(self._lifeline[1])
                self._run()
                status = 0
            except Exception:
                self._logger.exception("The log process failed")
            finally:
                os._exit(status)

    def keep(self, leave_mold: Callable[[], None]) -> None:
        """Starts another when it has ended."""
        if self.pid != 0:
            status = wait_status(self.pid)
            if status is None:
                return
            self.pid = 0
            how = os.waitstatus_to_exitcode(status)
            self._logger.critical(
                "The log process ended %s; another one takes over",
                f"with status {how}" if how >= 0 else f"by {signal.Signals(-how).name}",
            )
        if time.monotonic() - self._started_at >= RESTART_SECONDS:
            self.start(leave_mold)

    def reopen_files(self) -> None:
        """Lets the process open its log files anew."""
        if self.pid != 0:
            send_signal(self.pid, signal.SIGUSR1)

    def leave(self) -> None:
        """Lets go of what only the mold has to hold; in a forked worker."""
        self._listener.close()
        for fd in self._lifeline:
            os.close(fd)

    def _run(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in UNHEARD_SIGNALS:
            leave_unheard(number)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        set_process_title(f"tunicorn: log [{self._cfg.proc_name}]")
        self._identity.assume()
        receiver = LogReceiver(self._logger, self._cfg)
        LogServer(self._listener, self._lifeline[0], receiver, self._logger).serve()
        logging.shutdown()


class LogServer:
    """The life of the log process."""

    def __init__(self, listener: socket.socket, lifeline: int, receiver: LogReceiver, logger: Logger) -> None:
        self._listener = listener
        self._lifeline = lifeline
        self._receiver = receiver
        self._logger = logger
        self._selector = selectors.DefaultSelector()
        self._readers: set[RelayReader] = set()
        self._is_mold_gone = False
        self._is_reopening_due = False
        #: When the message that is being handled came; 0: none is.
        self._busy_since = 0.0

    def serve(self) -> None:
        """Handles messages until the mold is gone and nobody is connected."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._lifeline, selectors.EVENT_READ, self._lose_mold)
        self._wake_at_signals()
        threading.Thread(target=self._watch, daemon=True).start()
        while not self._is_mold_gone or self._readers:
            for key, _ in self._selector.select():
                key.data()
            if self._is_reopening_due:
                self._is_reopening_due = False
                reopen(self._logger)
        # What handlers still do when they are closed is watched too.
        self._busy_since = time.monotonic()

    def _wake_at_signals(self) -> None:
        """A signal's handler alone would run in the midst of a record, where files must not change."""
        wakeup_read, wakeup_write = os.pipe()
        for fd in (wakeup_read, wakeup_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, self._on_usr1)
        self._selector.register(wakeup_read, selectors.EVENT_READ, lambda: os.read(wakeup_read, 4096))

    def _on_usr1(self, _number: int, _frame: object) -> None:
        self._is_reopening_due = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        reader = RelayReader(connection)
        self._readers.add(reader)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(reader))

    def _read(self, reader: RelayReader) -> None:
        count = 0
        for message in reader.read():
            self._busy_since = time.monotonic()
            self._receiver.receive(message)
            count += 1
        self._busy_since = 0.0
        reader.acknowledge(count)
        if reader.is_ended:
            self._selector.unregister(reader.connection)
            self._readers.discard(reader)
            reader.connection.close()

    def _lose_mold(self) -> None:
        self._is_mold_gone = True
        self._selector.unregister(self._lifeline)

    def _watch(self) -> None:
        """Ends the process although a handler is stuck, when nobody needs it any more."""
        os.read(self._lifeline, 1)
        while self._busy_since == 0.0 or time.monotonic() - self._busy_since < STUCK_SECONDS:
            time.sleep(1.0)
        os._exit(1)
