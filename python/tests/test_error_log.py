"""Text that gets into the error log beside its records."""

from __future__ import annotations

from pathlib import Path

from tunicorn.error_log import ErrorStream
from tunicorn.log import Logger


def test_the_error_stream_writes_at_once_and_in_the_order_of_the_log(logger: Logger, log_path: Path) -> None:
    stream = ErrorStream()
    logger.info("one")
    assert stream.write("two\n") == 4
    logger.info("three")
    stream.writelines(["four\n", "five\n"])
    words = [line.rsplit(" ", 1)[-1] for line in log_path.read_text().splitlines()]
    assert words == ["one", "two", "three", "four", "five"]


def test_the_error_stream_shows_text_without_a_newline_at_once(logger: Logger, log_path: Path) -> None:
    ErrorStream().write("half a line")
    assert log_path.read_text() == "half a line"


def test_the_error_stream_follows_a_file_that_is_opened_anew(logger: Logger, log_path: Path) -> None:
    stream = ErrorStream()
    log_path.rename(log_path.with_name("error.log.1"))
    logger.reopen_files()
    stream.write("new\n")
    stream.flush()
    assert log_path.read_text() == "new\n"
