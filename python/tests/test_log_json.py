"""The error log as JSON lines."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tunicorn.error_log import ErrorStream
from tunicorn.log import Logger

from tests.helpers.logs import set_up

Record = dict[str, Any]


@pytest.fixture
def json_logger(logger: Logger, log_path: Path) -> Logger:
    set_up(logger, log_path, error_log_json=True)
    return logger


def records(path: Path) -> list[Record]:
    """What was logged; each line must be a JSON object."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_an_object_with_the_members_that_the_arbiter_writes_too(
    json_logger: Logger, log_path: Path
) -> None:
    json_logger.warning('say "%s"\nand more', "hi")
    (record,) = records(log_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record == {"level": "warning", "pid": os.getpid(), "message": 'say "hi"\nand more'}


def test_a_traceback_is_a_member(json_logger: Logger, log_path: Path) -> None:
    try:
        raise ValueError("of the test")
    except ValueError:
        json_logger.exception("It failed")
    (record,) = records(log_path)
    assert record["message"] == "It failed"
    assert record["exception"].startswith("Traceback (most recent call last):\n")
    assert record["exception"].endswith("ValueError: of the test")


def test_text_for_wsgi_errors_becomes_records(json_logger: Logger, log_path: Path) -> None:
    stream = ErrorStream()
    stream.write("one\nand its second line\n")
    print("two", "words", file=stream)
    stream.write("without an end")
    stream.flush()
    stream.flush()
    found = records(log_path)
    messages = ["one\nand its second line", "two words", "without an end"]
    assert [record["message"] for record in found] == messages
    assert {(record["level"], record["stream"]) for record in found} == {("error", "wsgi.errors")}


def test_text_that_two_threads_flush_at_once_is_written_once(json_logger: Logger, log_path: Path) -> None:
    stream = ErrorStream()

    class Interrupted(str):
        """Text that another thread flushes while this one looks for its end."""

        def __radd__(self, before: str) -> Interrupted:
            return Interrupted(f"{before}{self}")

        def rstrip(self, characters: str | None = None) -> str:
            stream.flush()
            return super().rstrip(characters)

    stream.write(Interrupted("a line\n"))
    assert [record["message"] for record in records(log_path)] == ["a line"]


def test_text_without_an_end_of_line_is_not_kept_for_ever(json_logger: Logger, log_path: Path) -> None:
    stream = ErrorStream()
    for _ in range(100):
        stream.write("x" * 1024)
    assert len(records(log_path)) == 1
