"""Metrics for a statsd server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tunicorn.log import Logger
from tunicorn.statsd import StatsdAddress, StatsdLogger, parse_statsd_address

from tests.helpers.logs import logger_config


class Server:
    """A statsd server."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def receive(self, count: int) -> list[str]:
        return [self.socket.recv(1000).decode() for _ in range(count)]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.socket.close()


MakeLogger = Callable[..., StatsdLogger]


@pytest.fixture
def make_statsd(logger: Logger, log_path: Path) -> Iterator[MakeLogger]:
    """After the fixture logger, which cleans up."""
    made: list[StatsdLogger] = []

    def make(host: str, **settings: Any) -> StatsdLogger:
        made.append(StatsdLogger(logger_config(statsd_host=host, errorlog=str(log_path), **settings)))
        return made[-1]

    yield make
    for statsd in made:
        assert statsd.sock is not None
        statsd.sock.close()


@pytest.fixture
def statsd(server: Server, make_statsd: MakeLogger) -> StatsdLogger:
    return make_statsd(server.address)


def test_each_kind_of_metric_has_gunicorns_text(server: Server, statsd: StatsdLogger) -> None:
    statsd.gauge("a", 1)
    statsd.increment("b", 2)
    statsd.decrement("c", 3)
    statsd.timer("d", 4.5)
    statsd.histogram("e", 6)
    assert server.receive(5) == ["a:1|g", "b:2|c|@1.0", "c:-3|c|@1.0", "d:4.5|ms", "e:6|h"]


def test_what_is_logged_is_counted(server: Server, statsd: StatsdLogger, log_path: Path) -> None:
    statsd.critical("one")
    statsd.error("two")
    statsd.warning("three")
    try:
        raise ValueError
    except ValueError:
        statsd.exception("four")
    statsd.info("five")
    names = ["critical", "error", "warning", "exception"]
    assert server.receive(4) == [f"gunicorn.log.{name}:1|c|@1.0" for name in names]
    assert " [INFO] five\n" in log_path.read_text()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("gauge", "orders:7|g"),
        ("counter", "orders:7|c|@1.0"),
        ("histogram", "orders:7|h"),
        ("timer", "orders:7|ms"),
    ],
)
def test_a_record_may_carry_a_metric(
    server: Server, statsd: StatsdLogger, log_path: Path, kind: str, text: str
) -> None:
    statsd.info("", extra={"metric": "orders", "value": 7, "mtype": kind})
    assert server.receive(1) == [text]
    assert log_path.read_text() == ""
    statsd.debug("too light", extra={"metric": "orders", "value": 7, "mtype": kind})
    assert server.receive(1) == [text]


def test_a_request_is_counted_with_its_duration_and_status(server: Server, statsd: StatsdLogger) -> None:
    statsd.access(SimpleNamespace(status="404 Not Found"), None, {}, timedelta(milliseconds=1500))
    assert server.receive(3) == [
        "gunicorn.request.duration:1500.0|ms",
        "gunicorn.requests:1|c|@1.0",
        "gunicorn.request.status.404:1|c|@1.0",
    ]


def test_prefix_and_tags_are_those_of_the_settings(server: Server, make_statsd: MakeLogger) -> None:
    statsd = make_statsd(server.address, statsd_prefix="shop.", dogstatsd_tags="env:test")
    statsd.increment("a", 1)
    assert server.receive(1) == ["shop.a:1|c|@1.0|#env:test"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "unix:///no/such/socket", "no-such-host.invalid"])
def test_a_server_that_is_not_there_is_no_error(make_statsd: MakeLogger, address: str) -> None:
    statsd = make_statsd(address)
    for _ in range(3):
        statsd.increment("a", 1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("localhost", ("localhost", 8125)),
        ("localhost:1", ("localhost", 1)),
        ("udp://a:2", ("a", 2)),
        ("[::1]:3", ("::1", 3)),
        (":4", ("127.0.0.1", 4)),
        ("unix:///run/statsd", "/run/statsd"),
        ("unix:statsd", "statsd"),
    ],
)
def test_an_address_is_read_as_the_arbiter_reads_it(written: str, expected: StatsdAddress) -> None:
    assert parse_statsd_address(written) == expected
