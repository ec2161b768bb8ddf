"""The error log of the Python processes."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tunicorn.error_log import error_stream
from tunicorn.log import Logger

from tests.helpers.deadlines import deadline
from tests.helpers.logs import set_up

TIME = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\]"


def test_a_line_has_gunicorns_format(logger: Logger, log_path: Path) -> None:
    logger.info("Listening at %s", "here")
    line = rf"{TIME} \[{os.getpid()}\] \[INFO\] Listening at here\n"
    assert re.fullmatch(line, log_path.read_text())


@pytest.mark.parametrize("level", ["critical", "error", "warning", "info", "debug"])
def test_each_method_logs_at_its_level(logger: Logger, log_path: Path, level: str) -> None:
    set_up(logger, log_path, "debug")
    getattr(logger, level)("text %d", 7)
    assert log_path.read_text().endswith(f" [{level.upper()}] text 7\n")


LEVELS = ["debug", "info", "warning", "error", "critical"]


@pytest.mark.parametrize("level", [*LEVELS, "WARNING"])
def test_lower_levels_are_left_out(logger: Logger, log_path: Path, level: str) -> None:
    set_up(logger, log_path, level)
    for name in LEVELS:
        getattr(logger, name)(name)
    logged = [line.rsplit(" ", 1)[1] for line in log_path.read_text().splitlines()]
    assert logged == LEVELS[LEVELS.index(level.lower()) :]


@pytest.mark.parametrize("level", ["warning", "WARNING", logging.WARNING], ids=repr)
def test_log_takes_a_level_by_name_or_number(logger: Logger, log_path: Path, level: int | str) -> None:
    logger.log(level, "text %s", "here")
    assert log_path.read_text().endswith(" [WARNING] text here\n")


def test_exception_adds_the_traceback(logger: Logger, log_path: Path) -> None:
    try:
        raise ValueError("of the test")
    except ValueError:
        logger.exception("It failed")
    text = log_path.read_text()
    assert " [ERROR] It failed\nTraceback (most recent call last):\n" in text
    assert text.endswith("ValueError: of the test\n")


def test_a_percent_sign_without_arguments_is_text(logger: Logger, log_path: Path) -> None:
    logger.info("100% of %s")
    assert log_path.read_text().endswith("100% of %s\n")


def test_the_records_are_those_of_the_logger_that_applications_know(logger: Logger, log_path: Path) -> None:
    logging.getLogger("gunicorn.error").warning("from the application")
    assert log_path.read_text().endswith(" [WARNING] from the application\n")


def test_the_records_do_not_reach_the_root_logger(logger: Logger) -> None:
    assert not logger.error_log.propagate
    assert not logger.access_log.propagate


def test_a_dash_is_standard_error(logger: Logger, capfd: pytest.CaptureFixture[str]) -> None:
    set_up(logger, "-")
    logger.info("to the terminal")
    assert capfd.readouterr().err.endswith(" [INFO] to the terminal\n")


def test_a_new_configuration_takes_the_place_of_the_former(logger: Logger, log_path: Path) -> None:
    former = error_stream()
    other = log_path.with_name("other.log")
    set_up(logger, other, "info")
    logger.info("to the other")
    assert log_path.read_text() == ""
    assert len(other.read_text().splitlines()) == 1
    assert former.closed


def test_a_log_file_is_appended_to(logger: Logger, log_path: Path) -> None:
    log_path.write_text("from before\n")
    set_up(logger, log_path, "info")
    logger.info("from now")
    assert log_path.read_text().startswith("from before\n[")


def test_a_file_that_was_moved_away_is_opened_anew(logger: Logger, log_path: Path) -> None:
    logger.info("first")
    moved = log_path.rename(log_path.with_name("error.log.1"))
    logger.info("second")
    logger.reopen_files()
    logger.info("third")
    assert [line.rsplit(" ", 1)[1] for line in moved.read_text().splitlines()] == ["first", "second"]
    assert [line.rsplit(" ", 1)[1] for line in log_path.read_text().splitlines()] == ["third"]


def test_a_file_may_be_opened_anew_many_times(logger: Logger, log_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for number in range(50):
        logger.reopen_files()
        logger.info("%d", number)
    assert len(log_path.read_text().splitlines()) == 50
    assert len(os.listdir("/dev/fd")) == before


def test_a_signal_may_open_the_files_anew_amid_the_same(
    logger: Logger, log_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SIGUSR1, twice in a row."""
    duplicate, copies = os.dup2, []

    def interrupted(fd: int, fd2: int) -> int:
        copies.append(fd2)
        if copies == [1]:
            logger.reopen_files()
        return duplicate(fd, fd2)

    with standard_streams_kept():
        set_up(logger, log_path, capture_output=True)
        monkeypatch.setattr(os, "dup2", interrupted)
        with deadline():
            logger.reopen_files()
        os.write(1, b"captured\n")
        assert logger.logfile is not None
        logger.logfile.close()
    assert log_path.read_text() == "captured\n"


@contextmanager
def standard_streams_kept() -> Iterator[None]:
    """Gives standard output and standard error their descriptors back."""
    kept = [(os.dup(fd), fd) for fd in (1, 2)]
    try:
        yield
    finally:
        for copy, fd in kept:
            os.dup2(copy, fd)
            os.close(copy)


def test_standard_error_stays_open_when_files_are_opened_anew(
    logger: Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up(logger, "-")
    logger.reopen_files()
    logger.info("still here")
    assert capfd.readouterr().err.endswith(" still here\n")
