"""Log targets that are full, stuck or gone."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tunicorn.log import Logger
from tunicorn.log_stream import PATIENCE_SECONDS, LogFileHandler, LogStream, StandardStreamHandler

from tests.helpers.logs import set_up

LINE = "x" * 1023 + "\n"


class Pipe:
    """A pipe whose reader does not read before it is told to."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """What is there."""
        parts = []
        while True:
            try:
                parts.append(os.read(self.fd, 1024 * 1024))
            except BlockingIOError:
                return b"".join(parts)
            if not parts[-1]:
                return b"".join(parts)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    os.close(pipe.fd)


def fill(stream: LogStream) -> int:
    """Writes until lines are lost; how many were written."""
    count = 0
    while not stream.lost_lines:
        stream.write(LINE)
        count += 1
        assert count < 10_000
    return count - 1


def test_a_line_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    stream = LogStream(str(tmp_path / "log"))
    assert stream.write("än\n") == 3
    assert (tmp_path / "log").read_text() == "än\n"
    stream.close()
    assert stream.closed


def test_what_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    stream = LogStream(str(tmp_path / "log"))
    stream.write("\udcff\n")
    assert (tmp_path / "log").read_text() == "\\udcff\n"
    stream.close()


def test_a_full_disk_costs_lines_and_raises_nothing() -> None:
    stream = LogStream("/dev/full")
    stream.write("one\ntwo\n")
    assert stream.lost_lines == 2
    assert stream.lost_reason == "No space left on device"
    stream.close()


def test_a_pipe_that_nobody_reads_is_opened_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    stream = LogStream(str(tmp_path / "pipe"))
    stream.write("line\n")
    assert stream.lost_lines == 0
    stream.close()


def test_a_stuck_reader_is_waited_for_once(pipe: Pipe) -> None:
    stream = LogStream(str(pipe.path))
    fill(stream)
    start = time.monotonic()
    for _ in range(100):
        stream.write(LINE)
    assert time.monotonic() - start < 50 * PATIENCE_SECONDS
    assert stream.lost_lines == 101
    stream.close()


def test_a_line_of_which_a_part_is_lost_does_not_mix_with_the_next(pipe: Pipe) -> None:
    stream = LogStream(str(pipe.path))
    fill(stream)
    long = "y" * 100_000 + "\n"
    pipe.read()
    stream.write(long)
    assert pipe.read() == long[:65536].encode()
    stream.write("next\n")
    assert pipe.read() == b"\nnext\n"
    stream.close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_the_reader_of_a_standard_stream_may_be_stuck_too(kind: str) -> None:
    if kind == "pipe":
        ours, theirs = os.pipe()
    else:
        ends = [end.detach() for end in socket.socketpair()]
        ours, theirs = ends
    saved = os.dup(2)
    try:
        os.dup2(theirs, 2)
        stream = LogStream("-", 2)
        written = fill(stream)
        assert written > 0
        # The mode of the stream that all processes share is as it was.
        assert os.get_blocking(2)
        stream.close()
        assert os.fstat(2)
    finally:
        os.dup2(saved, 2)
        for fd in (saved, ours, theirs):
            os.close(fd)


def test_a_closed_pipe_raises_nothing() -> None:
    ours, theirs = os.pipe()
    saved = os.dup(2)
    try:
        os.dup2(theirs, 2)
        stream = LogStream("-", 2)
        os.close(ours)
        stream.write("lost\n")
        assert stream.lost_lines == 1
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(theirs)


def test_dev_stderr_is_the_stream_itself() -> None:
    assert LogStream("/dev/stderr").fileno() == 2
    assert LogStream("/dev/stdout").fileno() == 1


def test_the_log_tells_what_it_has_lost_when_it_takes_lines_again(pipe: Pipe) -> None:
    handler = LogFileHandler(str(pipe.path))
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("gunicorn.error", logging.INFO, "", 0, "line", None, None)
    assert isinstance(handler.stream, LogStream)
    fill(handler.stream)
    handler.emit(record)
    pipe.read()
    handler.emit(record)
    lost = b"WARNING 2 lines of this log are lost: its reader is stuck\n"
    assert pipe.read() == lost + b"INFO line\n"
    handler.emit(record)
    assert pipe.read() == b"INFO line\n"
    handler.close()


def test_a_handler_whose_target_is_full_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    handler = StandardStreamHandler(LogStream("/dev/full"))
    for _ in range(3):
        handler.emit(logging.LogRecord("gunicorn.error", logging.INFO, "", 0, "line", None, None))
    assert handler.stream.lost_lines == 3
    assert capfd.readouterr().err == ""
    handler.stream.close()


def test_a_file_whose_folder_is_gone_stays_at_a_reopening(logger: Logger, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    set_up(logger, folder / "error.log")
    moved = (folder / "error.log").rename(tmp_path / "moved.log")
    folder.rmdir()
    logger.reopen_files()
    logger.info("still written")
    told, written = moved.read_text().splitlines()
    assert f"Cannot reopen log file {folder / 'error.log'}, the old one stays: " in told
    assert written.endswith("still written")


def test_files_of_the_users_own_handlers_are_opened_anew_too(logger: Logger, tmp_path: Path) -> None:
    own = logging.getLogger("shop")
    handler = logging.FileHandler(tmp_path / "shop.log")
    own.addHandler(handler)
    try:
        own.warning("one")
        (tmp_path / "shop.log").rename(tmp_path / "shop.log.1")
        logger.reopen_files()
        own.warning("two")
    finally:
        own.removeHandler(handler)
        handler.close()
    assert (tmp_path / "shop.log.1").read_text() == "one\n"
    assert (tmp_path / "shop.log").read_text() == "two\n"
