"""Where log lines go: targets that are full, stuck or gone cost lines, and never time or an exception."""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
from typing import TYPE_CHECKING, Final

#: How long one line may wait for a target that is full. After that none waits until it takes lines again.
PATIENCE_SECONDS: Final = 0.1

#: Paths of the standard streams: opened by path, one that is a socket (as under systemd) fails.
STANDARD_STREAMS: Final = {
    **dict.fromkeys(("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"), 1),
    **dict.fromkeys(("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"), 2),
}

#: A pipe that is ready takes this much without waiting (PIPE_BUF).
PIPE_BYTES: Final = 4096

STUCK: Final = "its reader is stuck"


class Patience:
    """Waits for a descriptor that is full, but not again while it has not taken anything since."""

    def __init__(self) -> None:
        self._is_exhausted = False

    def wait(self, fd: int) -> bool:
        """Whether the descriptor takes more."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        is_ready = bool(poll.poll(0 if self._is_exhausted else PATIENCE_SECONDS * 1000))
        self._is_exhausted = not is_ready
        return is_ready


class LogStream:
    """A text stream for log handlers, without a buffer: after write a text is in its target, or lost."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, path: str, standard_fd: int = 2) -> None:
        """Opens path for appending; "-" is the standard stream. Raises OSError."""
        self.name = path
        #: Lines that the target did not take, and why the last of them was lost.
        self.lost_lines = 0
        self.lost_reason = ""
        self._patience = Patience()
        self._is_line_broken = False
        #: Where the standard stream is a socket.
        self._socket: socket.socket | None = None
        #: The descriptor may be in blocking mode, so that it must be asked before each write.
        self._is_asked = False
        standard = standard_fd if path == "-" else STANDARD_STREAMS.get(path)
        self._fd = _open(path) if standard is None else standard
        self._write_fd = self._fd if standard is None else self._without_waiting(standard)
        self._own_fds = {self._fd, self._write_fd} - {1, 2}

    def _without_waiting(self, fd: int) -> int:
        """A descriptor of the standard stream fd that can be written to without waiting for a stuck reader.

        The mode must not be changed on fd itself: it would change for all processes that share it.
        """
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return fd
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(fd))
            return fd
        try:
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            self._is_asked = True
            return fd

    def write(self, text: str) -> int:
        """Writes all of the text, or gives it up."""
        data = text.encode(self.encoding, self.errors)
        try:
            self._write(b"\n" + data if self._is_line_broken else data)
        except OSError as error:
            self.lost_lines += max(text.count("\n"), 1)
            self.lost_reason = error.strerror or str(error)
        return len(text)

    def flush(self) -> None:
        """Nothing is ever waiting."""

    def fileno(self) -> int:
        """The descriptor of the target."""
        return self._fd

    def isatty(self) -> bool:
        """Whether the target is a terminal."""
        return os.isatty(self._fd)

    @property
    def closed(self) -> bool:
        """The target was let go."""
        return self._fd < 0

    def close(self) -> None:
        """Lets the target go; a standard stream stays open."""
        for fd in self._own_fds:
            os.close(fd)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._own_fds = set()
        self._fd = self._write_fd = -1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[self._write_some(rest) :]
                except BlockingIOError:
                    if not self._patience.wait(self._write_fd):
                        raise BlockingIOError(0, STUCK) from None
        finally:
            self._is_line_broken = 0 < len(rest) < len(data) or (bool(rest) and self._is_line_broken)

    def _write_some(self, data: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if not self._is_asked:
            return os.write(self._write_fd, data)
        if not self._patience.wait(self._write_fd):
            raise BlockingIOError(0, STUCK)
        return os.write(self._write_fd, data[:PIPE_BYTES])


def _open(path: str) -> int:
    flags = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        # A pipe that is open for reading too neither waits for a reader nor breaks when its reader leaves.
        return os.open(path, flags | os.O_RDWR | os.O_NONBLOCK)
    return os.open(path, flags | os.O_WRONLY, 0o666)


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[LogStream]
else:
    # Python 3.10 knows no parameter of it when it runs.
    _StreamHandler = logging.StreamHandler


class _TargetHandler(_StreamHandler):
    """Tells in the log itself, once it takes lines again, that some are missing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record; what cannot be written is counted."""
        lost = self.stream.lost_lines
        if lost:
            message = f"{lost} lines of this log are lost: {self.stream.lost_reason}"
            note = logging.LogRecord(record.name, logging.WARNING, __file__, 0, message, None, None)
            self.stream.write(self.format(note) + self.terminator)
            # One more is counted when that was not taken either.
            self.stream.lost_lines = lost if self.stream.lost_lines > lost else 0
        super().emit(record)


class LogFileHandler(_TargetHandler, logging.FileHandler):
    """Writes records to a file."""

    def __init__(self, path: str) -> None:
        """Raises OSError when it cannot be opened."""
        logging.FileHandler.__init__(self, path, delay=True)
        self.stream = self._open()  # type: ignore[assignment]  # it has what a handler asks of a stream

    def _open(self) -> LogStream:  # type: ignore[override]  # as above
        return LogStream(self.baseFilename)


class StandardStreamHandler(_TargetHandler):
    """Writes records to standard output or standard error."""


def make_handler(path: str, standard_fd: int) -> LogFileHandler | StandardStreamHandler:
    """The handler for a log; path may be "-". Raises OSError when it cannot be opened."""
    if path == "-" or path in STANDARD_STREAMS:
        return StandardStreamHandler(LogStream(path, standard_fd))
    return LogFileHandler(path)


def reopen_files() -> None:
    """Opens the files of all loggers' handlers anew, after they were moved away.

    Where that fails the old file stays.
    """
    names = list(logging.root.manager.loggerDict)
    handlers = {handler for log in [logging.root, *map(logging.getLogger, names)] for handler in log.handlers}
    for handler in handlers:
        if isinstance(handler, logging.FileHandler):
            _reopen(handler)


def _reopen(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        former = handler.stream
        # None: it opens its file with the first record.
        if former is not None:
            handler.stream = handler._open()
            former.close()
    except OSError as error:
        logging.getLogger("gunicorn.error").error(
            "Cannot reopen log file %s, the old one stays: %s", handler.baseFilename, error
        )
    finally:
        handler.release()
