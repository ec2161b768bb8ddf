"""Records to a syslog server."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tunicorn.log_syslog import RETRY_SECONDS, SyslogAddress, SyslogHandler, parse_address

MakeHandler = Callable[[str], SyslogHandler]


@pytest.fixture
def make_handler() -> Iterator[MakeHandler]:
    handlers: list[SyslogHandler] = []

    def make(address: str) -> SyslogHandler:
        handler = SyslogHandler(address, "local3")
        handlers.append(handler)
        return handler

    yield make
    for handler in handlers:
        handler.close()


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("gunicorn.error", level, "", 0, message, None, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("udp://localhost:515", (socket.AF_UNSPEC, socket.SOCK_DGRAM, "localhost", 515)),
        ("udp://localhost", (socket.AF_UNSPEC, socket.SOCK_DGRAM, "localhost", 514)),
        ("udp://", (socket.AF_UNSPEC, socket.SOCK_DGRAM, "localhost", 514)),
        ("tcp://[::1]:601", (socket.AF_UNSPEC, socket.SOCK_STREAM, "::1", 601)),
        ("unix:///dev/log", (socket.AF_UNIX, None, "/dev/log", 514)),
        ("unix:///dev/log#stream", (socket.AF_UNIX, socket.SOCK_STREAM, "/dev/log", 514)),
        ("unix:///dev/log#dgram", (socket.AF_UNIX, socket.SOCK_DGRAM, "/dev/log", 514)),
    ],
)
def test_an_address_has_gunicorns_forms(written: str, expected: tuple[object, ...]) -> None:
    assert parse_address(written) == expected
    assert isinstance(parse_address(written), SyslogAddress)


@pytest.mark.parametrize("written", ["localhost", "http://a", "unix:///a#raw", "udp://a:b"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="invalid syslog address"):
        parse_address(written)


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 154),
        (logging.ERROR, 155),
        (logging.WARNING, 156),
        (logging.INFO, 158),
        (logging.DEBUG, 159),
    ],
)
def test_the_priority_is_of_facility_and_level(make_handler: MakeHandler, level: int, priority: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        handler = make_handler(f"udp://127.0.0.1:{server.getsockname()[1]}")
        handler.emit(record("line\nand more", level))
        assert server.recv(1000) == b"<%d>line\nand more" % priority


def test_a_local_stream_ends_messages_by_nul(make_handler: MakeHandler, short_folder: Path) -> None:
    path = short_folder / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        handler = make_handler(f"unix://{path}")
        handler.emit(record("one"))
        handler.emit(record("two"))
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1000) == b"<158>one\0<158>two\0"


def test_a_server_that_is_missing_is_looked_for_again_after_a_while(
    make_handler: MakeHandler, short_folder: Path
) -> None:
    path = short_folder / "log"
    handler = make_handler(f"unix://{path}")
    handler.emit(record("lost"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(0.02)
        deadline = time.monotonic() + 10 * RETRY_SECONDS
        while time.monotonic() < deadline:
            handler.emit(record("found"))
            try:
                assert server.recv(1000) == b"<158>found"
                return
            except TimeoutError:
                continue
    raise AssertionError("the server was not found again")


def test_a_server_that_does_not_read_costs_lines_and_little_time(make_handler: MakeHandler) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        handler = make_handler(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        start = time.monotonic()
        for _ in range(2000):
            handler.emit(record("x" * 10_000))
        assert time.monotonic() - start < 10


def test_an_unknown_facility_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown syslog facility 'local8'"):
        SyslogHandler("udp://localhost", "local8")


@pytest.mark.parametrize(
    ("address", "warning"),
    [
        (
            "udp://no-such-host.invalid",
            "Cannot find the syslog server no-such-host.invalid, its lines are lost",
        ),
        (
            "unix:///no/such/socket",
            "Cannot reach the syslog server unix:///no/such/socket, its lines are lost",
        ),
        ("tcp://127.0.0.1:1", "Cannot reach the syslog server tcp://127.0.0.1:1, its lines are lost"),
    ],
)
def test_a_server_that_is_not_there_is_one_warning_for_both_logs(
    address: str, warning: str, caplog: pytest.LogCaptureFixture, make_handler: MakeHandler
) -> None:
    logging.getLogger("gunicorn.error").propagate = True
    try:
        for handler in make_handler(address), make_handler(address):
            handler.emit(record("lost"))
    finally:
        logging.getLogger("gunicorn.error").propagate = False
    assert warning in caplog.text
    # A logger that did not propagate has pytest's handler itself, too.
    assert len({id(each) for each in caplog.records}) == 1
