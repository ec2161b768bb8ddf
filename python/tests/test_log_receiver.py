"""Records that are made of what arbiter and router tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tunicorn.log import Logger
from tunicorn.log_receiver import LogReceiver
from tunicorn.relayed_request import Message, RelayedRequest, RelayedResponse, relayed_environ

from tests.helpers.logs import logger_config, set_up

ACCESS: Message = {
    "type": "access",
    "time": 1795218561100,
    "durationMs": 1.5,
    "pid": 77,
    "remoteAddress": "192.0.2.7",
    "method": "GET",
    "target": "/a%20b?x=1",
    "path": "/a%20b",
    "query": "x=1",
    "protocol": "HTTP/1.1",
    "status": 404,
    "bodyBytes": 5,
    "requestFields": ["x-a", "1", "x-a", "2"],
    "responseLines": "Content-Type: a/b\r\nContent-Length: 5\r\n",
    "environ": "REQUEST_METHOD\0GET\0RAW_URI\0/a%20b?x=1\0SERVER_PROTOCOL\0HTTP/1.1\0PATH_INFO\0/a b\0X\0",
}

MakeReceiver = Callable[[], LogReceiver]


@pytest.fixture
def make_receiver(logger: Logger, log_path: Path) -> Iterator[MakeReceiver]:
    factory = logging.getLogRecordFactory()

    def make() -> LogReceiver:
        set_up(logger, log_path, accesslog=str(log_path), access_log_format="%(p)s %(U)s %(s)s %(D)s")
        return LogReceiver(logger, logger_config())

    yield make
    logging.setLogRecordFactory(factory)


def test_an_error_record_is_of_the_process_and_the_time_that_it_was_told_of(
    make_receiver: MakeReceiver, log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = make_receiver()
    receiver.receive(
        {"type": "error", "time": 1795218561100, "pid": 77, "level": "warning", "message": "100% x"}
    )
    line = log_path.read_text()
    assert line.startswith("[2026-11-")
    assert line.endswith(" [77] [WARNING] 100% x\n")


def test_an_access_record_has_the_atoms_of_the_request(make_receiver: MakeReceiver, log_path: Path) -> None:
    make_receiver().receive(ACCESS)
    assert log_path.read_text() == "<77> /a b 404 1500\n"


def test_a_record_of_its_own_is_of_this_process(
    make_receiver: MakeReceiver, logger: Logger, log_path: Path
) -> None:
    make_receiver().receive(ACCESS)
    logger.info("from here")
    assert " [77] " not in log_path.read_text().splitlines()[-1]


def test_what_a_logger_raises_is_told_once(
    make_receiver: MakeReceiver, logger: Logger, log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(*_arguments: Any) -> None:
        raise ValueError("of the logger")

    monkeypatch.setattr(logger, "access", access)
    receiver = make_receiver()
    for _ in range(3):
        receiver.receive(ACCESS)
    assert log_path.read_text().count("The logger raised ValueError: of the logger\n") == 1


def test_request_and_response_are_gunicorns() -> None:
    request, response = RelayedRequest(ACCESS), RelayedResponse(ACCESS)
    assert (request.method, request.uri, request.query, request.version) == (
        "GET",
        "/a%20b?x=1",
        "x=1",
        (1, 1),
    )
    assert request.headers == [("X-A", "1"), ("X-A", "2")]
    assert (response.status, response.status_code, response.sent) == ("404 Not Found", 404, 5)
    assert response.headers == [("Content-Type", "a/b"), ("Content-Length", "5")]
    assert response.response_length == 5


def test_what_is_over_when_the_record_is_made_says_so() -> None:
    with pytest.raises(AttributeError, match="access records are made in the log process"):
        _ = RelayedRequest(ACCESS).body


def test_an_environ_is_there_also_for_a_request_that_was_refused() -> None:
    assert relayed_environ(ACCESS)["PATH_INFO"] == "/a b"
    assert relayed_environ(ACCESS)["X"] == ""
    refused = relayed_environ({**ACCESS, "environ": ""})
    assert (refused["PATH_INFO"], refused["REMOTE_ADDR"]) == ("/a%20b", "192.0.2.7")
