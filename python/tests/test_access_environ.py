"""What workers tell of the environ as applications leave it, for the access log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tunicorn.access_environ import EnvironWatch, watched_entries
from tunicorn.config import Config
from tunicorn.file_wrapper import FileWrapper

from tests.helpers.gateway import Gateway
from tests.helpers.router import BODY, FAILED, RESPONSE, Received, kinds_of
from tests.helpers.wsgi_types import Environ, StartResponse

ENVIRON_FRAME = 39

BASE = ("REMOTE_ADDR", "REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ()),
        ({"accesslog": None, "access_log_format": "%(h)s"}, ()),
        ({"accesslog": "-", "access_log_format": '%(h)s "%(r)s" %(s)s'}, BASE),
        ({"syslog": True, "access_log_format": "%(U)s %(q)s"}, ("PATH_INFO", "QUERY_STRING")),
        ({"accesslog": "-", "access_log_format": "%(s)s %(a)s %({x}i)s"}, ()),
        ({"accesslog": "-", "access_log_format": "%({remote_user}e)s"}, ("remote_user", "REMOTE_USER")),
        (
            {"accesslog": "-", "access_log_json": True, "access_log_format": "%({X}e)s"},
            (*BASE, "PATH_INFO", "QUERY_STRING", "X"),
        ),
        ({"logconfig_dict": {"version": 1}}, ("*",)),
        ({"logger_class": "shop.Logger"}, ("*",)),
        ({"logger_class": "gunicorn.glogging.Logger"}, ()),
    ],
)
def test_only_what_the_access_log_shows_is_watched(
    settings: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert watched_entries(Config(settings, {})) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"A": "1"}, ""),
        ({"A": "2"}, "A\x002"),
        ({"A": "1", "B": 7}, "B\x007"),
        ({}, ""),
        ({"A": None, "B": object()}, ""),
        ({"A": "with \0"}, ""),
        ({"A": "\udcff \u00e4"}, "A\x00? \u00e4"),
    ],
)
@pytest.mark.parametrize("watched", [("A", "B"), ("*",)])
def test_what_has_changed_is_told_as_text(
    watched: tuple[str, ...], environ: dict[str, Any], expected: str
) -> None:
    now: dict[str, Any] = {"A": "1"}
    watch = EnvironWatch(watched, now)
    now.clear()
    now.update(environ)
    assert watch.changes().decode() == expected


def changing(respond: Callable[[], Any]) -> Callable[[Environ, StartResponse], Any]:
    def application(environ: Environ, start_response: StartResponse) -> Any:
        environ["REMOTE_USER"] = "ann"
        environ["REMOTE_ADDR"] = "203.0.113.9"
        start_response("200 OK", [])
        return respond()

    return application


def told_of(frames: list[Received]) -> list[str]:
    return [frame.payload.decode() for frame in frames if frame.kind == ENVIRON_FRAME]


@pytest.fixture
def watching(gateway: Gateway) -> Gateway:
    gateway.settings = {"accesslog": "-", "access_log_format": "%(h)s %({REMOTE_USER}e)s"}
    return gateway


ENTRIES = "REMOTE_ADDR\x00203.0.113.9\x00REMOTE_USER\x00ann"


def test_a_whole_response_comes_behind_what_was_changed(watching: Gateway) -> None:
    frames = watching.call(changing(lambda: [b"x"]))
    assert kinds_of(frames) == [ENVIRON_FRAME, RESPONSE]
    assert told_of(frames) == [ENTRIES]


def test_the_last_of_many_pieces_comes_behind_it(watching: Gateway) -> None:
    frames = watching.call(changing(lambda: iter([b"x", b"y"])))
    assert kinds_of(frames) == [RESPONSE, BODY, ENVIRON_FRAME, BODY]


def test_a_failure_comes_behind_it_too(watching: Gateway) -> None:
    def fail() -> Any:
        raise ValueError("of the application")

    frames = watching.call(changing(fail))
    assert kinds_of(frames) == [ENVIRON_FRAME, FAILED]


def test_nothing_is_told_where_nothing_has_changed(watching: Gateway) -> None:
    def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x"]

    assert kinds_of(watching.call(application)) == [RESPONSE]


def test_nothing_is_told_where_nobody_asks(gateway: Gateway) -> None:
    assert kinds_of(gateway.call(changing(lambda: [b"x"]))) == [RESPONSE]


def test_a_file_that_the_router_reads_comes_behind_it(watching: Gateway, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    watching.router.answer_file(is_taken=True)
    with (tmp_path / "file").open("rb") as file:
        frames = watching.call(changing(lambda: FileWrapper(file)))
    assert kinds_of(frames)[:2] == [RESPONSE, ENVIRON_FRAME]
