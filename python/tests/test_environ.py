"""What each environ begins with, and wsgi.input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tunicorn import __version__
from tunicorn.config import Config
from tunicorn.environ import make_template, open_body
from tunicorn.error_log import ErrorStream
from tunicorn.file_wrapper import FileWrapper
from tunicorn.log import Logger


@pytest.mark.parametrize(("workers", "is_multiprocess"), [(1, False), (2, True), (8, True)])
def test_multiprocess_is_true_when_other_workers_may_run_the_same_application(
    logger: Logger, workers: int, is_multiprocess: bool
) -> None:
    template = make_template(Config({"workers": workers, "threads": 1}, {}))
    assert template["wsgi.multiprocess"] is is_multiprocess


def test_the_template_holds_what_pep_3333_wants_of_the_server(logger: Logger) -> None:
    template = make_template(Config({"workers": 1, "threads": 1}, {}))
    assert template["wsgi.version"] == (1, 0)
    assert template["wsgi.multithread"] is False
    assert template["wsgi.run_once"] is False
    assert template["wsgi.file_wrapper"] is FileWrapper
    assert isinstance(template["wsgi.errors"], ErrorStream)


def test_the_template_says_that_the_input_ends_by_itself(logger: Logger) -> None:
    assert make_template(Config({"workers": 1, "threads": 1}, {}))["wsgi.input_terminated"] is True


def test_the_template_names_the_server(logger: Logger) -> None:
    assert (
        make_template(Config({"workers": 1, "threads": 1}, {}))["SERVER_SOFTWARE"]
        == f"tunicorn/{__version__}"
    )


def test_wsgi_errors_writes_to_the_error_log(logger: Logger, log_path: Path) -> None:
    make_template(Config({"workers": 1, "threads": 1}, {}))["wsgi.errors"].write("from the application\n")
    assert log_path.read_text() == "from the application\n"


READS: list[Any] = [
    pytest.param(lambda stream: stream.read(), b"one\ntwo\nthree", id="read all"),
    pytest.param(lambda stream: stream.read(5), b"one\nt", id="read some"),
    pytest.param(lambda stream: stream.read(1000), b"one\ntwo\nthree", id="read more than there is"),
    pytest.param(lambda stream: stream.readline(), b"one\n", id="readline"),
    pytest.param(lambda stream: stream.readline(2), b"on", id="readline of limited size"),
    pytest.param(lambda stream: stream.readlines(), [b"one\n", b"two\n", b"three"], id="readlines"),
    pytest.param(lambda stream: stream.readlines(1), [b"one\n"], id="readlines with a hint"),
    pytest.param(list, [b"one\n", b"two\n", b"three"], id="iteration"),
    pytest.param(lambda stream: (stream.read(), stream.read(), stream.read(1))[1:], (b"", b""), id="end"),
    pytest.param(
        lambda stream: (stream.read(), stream.seek(0), stream.read())[2], b"one\ntwo\nthree", id="seek"
    ),
]


@pytest.mark.parametrize("is_file", [False, True], ids=["in memory", "in a file"])
@pytest.mark.parametrize(("read", "expected"), READS)
def test_a_body_is_read(tmp_path: Path, is_file: bool, read: Any, expected: object) -> None:
    body = b"one\ntwo\nthree"
    if is_file:
        path = tmp_path / "body"
        path.write_bytes(body)
        body = str(path).encode()
    with open_body(body, is_file) as stream:
        assert read(stream) == expected


def test_an_empty_body_is_at_its_end() -> None:
    with open_body(b"", False) as stream:
        assert stream.read() == b""


def test_the_file_of_a_body_is_left_to_the_router(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"x")
    open_body(str(path).encode(), True).close()
    assert path.exists()


def test_a_body_is_read_on_after_the_router_removed_its_file(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"x" * 100_000)
    with open_body(str(path).encode(), True) as stream:
        path.unlink()
        assert len(stream.read()) == 100_000
