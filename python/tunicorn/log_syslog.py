"""Records to a syslog server. One that is slow, full or gone costs lines, and never time or an exception."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple

from tunicorn.log_stream import Patience

FACILITIES: Final = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "security": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}

#: Severities of RFC 5424, by the names of Python's levels.
SEVERITIES: Final = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}

DEFAULT_PORT: Final = 514

#: A server that could not be reached is tried again after this.
RETRY_SECONDS: Final = 1.0

#: Lines that wait for a stream to take them.
PENDING_LIMIT_BYTES: Final = 64 * 1024


class SyslogAddress(NamedTuple):
    """Where a syslog server listens."""

    #: AF_UNIX, or AF_UNSPEC for a host.
    family: socket.AddressFamily
    #: None: whichever the socket's file is.
    kind: socket.SocketKind | None
    path_or_host: str
    port: int = DEFAULT_PORT


def parse_address(written: str) -> SyslogAddress:
    """unix://PATH, with #dgram or #stream, udp://HOST:PORT or tcp://HOST:PORT. Raises ValueError."""
    scheme, separator, rest = written.partition("://")
    if not separator or scheme not in ("unix", "udp", "tcp"):
        raise ValueError(f"invalid syslog address {written!r}: want unix://PATH, udp://HOST or tcp://HOST")
    if scheme == "unix":
        path, _, kind = rest.partition("#")
        kinds = {"": None, "dgram": socket.SOCK_DGRAM, "stream": socket.SOCK_STREAM}
        if kind not in kinds:
            raise ValueError(f"invalid syslog address {written!r}: want #dgram or #stream")
        return SyslogAddress(socket.AF_UNIX, kinds[kind], path)
    host, port = _split_port(rest)
    if port and not port.isdigit():
        raise ValueError(f"invalid syslog address {written!r}: {port!r} is no port number")
    kind_of_host = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    return SyslogAddress(socket.AF_UNSPEC, kind_of_host, host or "localhost", int(port or DEFAULT_PORT))


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


# Both logs have a handler for the same server: what is cached is looked up, and told, once.


@cache
def _find_targets(wanted: SyslogAddress) -> list[tuple[int, int, Any]]:
    family, kind, host, port = wanted
    if family == socket.AF_UNIX:
        kinds = [socket.SOCK_DGRAM, socket.SOCK_STREAM] if kind is None else [kind]
        return [(family, each, host) for each in kinds]
    try:
        found = socket.getaddrinfo(host, port, type=kind or 0)
    except OSError as error:
        logging.getLogger("gunicorn.error").warning(
            "Cannot find the syslog server %s, its lines are lost: %s. Correct syslog_addr (--log-syslog-to) "
            "or reload when the name has an address",
            host,
            error,
        )
        return []
    return [(family, kind, address) for family, kind, _, _, address in found]


@cache
def _tell_unreachable(written: str, error: int) -> None:
    logging.getLogger("gunicorn.error").warning(
        "Cannot reach the syslog server %s, its lines are lost until it is there: %s. Start it, or correct "
        "syslog_addr (--log-syslog-to)",
        written,
        os.strerror(error),
    )


class SyslogHandler(logging.Handler):
    """Sends each record as a message of RFC 3164: priority, tag, text."""

    def __init__(self, address: str, facility: str) -> None:
        """Raises ValueError for an address or facility that cannot be; a missing server is no error."""
        super().__init__()
        self._address = parse_address(address)
        if facility.lower() not in FACILITIES:
            raise ValueError(f"unknown syslog facility {facility!r}")
        self._facility = FACILITIES[facility.lower()]
        #: Resolved here, once: a name server that is down must not hold a request back.
        self._targets = _find_targets(self._address)
        self._socket: socket.socket | None = None
        self._is_stream = False
        self._pid = os.getpid()
        self._patience = Patience()
        self._retry_at = 0.0
        #: Why the server could not be reached.
        self._error = 0
        self._pending = b""
        if self._targets and not self._connect():
            _tell_unreachable(address, self._error)
        # A process that is forked has a connection of its own, and at once.
        self._retry_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record, or gives it up."""
        severity = SEVERITIES.get(record.levelname, 5)
        text = self.format(record).encode(errors="backslashreplace")
        message = b"<%d>%s" % (self._facility << 3 | severity, text)
        if self._pid != os.getpid():
            self._leave_to_parent()
        if self._socket is None and not self._connect():
            return
        try:
            if self._is_stream:
                self._send_on_stream(message)
            else:
                self._send_datagram(message)
        except OSError as error:
            # A message that is too long is no fault of the server.
            if error.errno != errno.EMSGSIZE:
                self._disconnect()

    def close(self) -> None:
        """Sends what is left, as far as the server takes it."""
        if self._socket is not None and self._pid == os.getpid():
            with suppress(OSError):
                self._flush_stream()
        self._disconnect()
        super().close()

    def _leave_to_parent(self) -> None:
        """After a fork a stream of the parent's would mix the lines of two processes."""
        if self._is_stream:
            self._disconnect()
        self._pid = os.getpid()
        self._pending = b""

    def _connect(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + RETRY_SECONDS
        for family, kind, address in self._targets:
            connection = socket.socket(family, kind)
            connection.setblocking(False)
            if self._is_connected(connection, address):
                self._socket = connection
                self._is_stream = kind == socket.SOCK_STREAM
                return True
            connection.close()
        return False

    def _is_connected(self, connection: socket.socket, address: Any) -> bool:
        self._error = connection.connect_ex(address)
        if self._error == errno.EINPROGRESS and self._patience.wait(connection.fileno()):
            self._error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return self._error == 0

    def _send_datagram(self, message: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.send(message)
        except BlockingIOError:
            if self._patience.wait(self._socket.fileno()):
                self._socket.send(message)

    def _send_on_stream(self, message: bytes) -> None:
        """Over TCP a line end is the end of a message (RFC 6587), on a local stream a NUL is."""
        if self._address.family == socket.AF_UNIX:
            message += b"\0"
        else:
            message = message.replace(b"\n", b"#012") + b"\n"
        if len(self._pending) + len(message) <= PENDING_LIMIT_BYTES:
            self._pending += message
        self._flush_stream()

    def _flush_stream(self) -> None:
        assert self._socket is not None
        while self._pending:
            try:
                self._pending = self._pending[self._socket.send(self._pending) :]
            except BlockingIOError:
                if not self._patience.wait(self._socket.fileno()):
                    return

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        # A message of which the server got a part must not begin anew in the middle.
        self._pending = b""
