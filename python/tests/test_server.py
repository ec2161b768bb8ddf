"""What hooks get as `server`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tunicorn.config import Config
from tunicorn.hooks import Hook
from tunicorn.log import Logger
from tunicorn.missing import MissingAttributeError
from tunicorn.server import Server


def make_server(logger: Logger, hooks: dict[str, Hook] | None = None, **settings: object) -> Server:
    return Server(Config({"workers": 3, "proc_name": None, **settings}, hooks or {}), logger, 4121)


def test_the_server_has_the_attributes_that_hooks_know(logger: Logger) -> None:
    server = make_server(logger, bind=["127.0.0.1:8000", "unix:/run/a.sock"], proc_name="shop")
    assert server.pid == 4121
    assert server.num_workers == 3
    assert server.address == [("127.0.0.1", 8000), "/run/a.sock"]
    assert server.proc_name == "shop"
    assert server.log is logger
    assert server.cfg.workers == 3
    assert server.WORKERS == {}


def test_the_process_name_is_gunicorns_unless_it_is_set(logger: Logger) -> None:
    assert make_server(logger).proc_name == "gunicorn"


def test_a_hook_is_called_with_its_arguments(logger: Logger) -> None:
    calls: list[tuple[object, ...]] = []

    def pre_fork(*arguments: object) -> str:
        calls.append(arguments)
        return "ignored"

    server = make_server(logger, {"pre_fork": pre_fork})
    assert server.run_hook("pre_fork", server, "worker") is None
    assert calls == [(server, "worker")]


def test_a_hook_that_is_not_there_is_not_called(logger: Logger, log_path: Path) -> None:
    make_server(logger).call_hook("on_exit", "server")
    assert log_path.read_text() == ""


def test_a_hook_that_raises_is_logged_and_reported(logger: Logger, log_path: Path) -> None:
    def when_ready(_server: Server) -> None:
        raise RuntimeError("no mail server")

    server = make_server(logger, {"when_ready": when_ready})
    report = server.run_hook("when_ready", server)
    assert report is not None
    assert report.startswith(f'Traceback (most recent call last):\n  File "{__file__}"')
    assert report.endswith("RuntimeError: no mail server")
    assert log_path.read_text() == ""
    server.call_hook("when_ready", server)
    assert re.search(r"\[ERROR\] The hook when_ready raised\nTraceback ", log_path.read_text())
    assert report in log_path.read_text()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("LISTENERS", "the router process holds the listening sockets; server.address says where"),
        ("halt", "os.kill(server.pid, signal.SIGTERM)"),
        ("num_worker", "did you mean 'num_workers'?"),
        ("zebra", "it has WORKERS, address, app, call_hook, cfg, identity, log, num_workers, pid"),
    ],
)
def test_what_the_server_does_not_have_is_named_with_what_there_is_instead(
    logger: Logger, name: str, says: str
) -> None:
    server = make_server(logger)
    assert not hasattr(server, name)
    with pytest.raises(MissingAttributeError) as caught:
        getattr(server, name)
    assert str(caught.value).startswith(f"tunicorn's server has no attribute {name!r}: ")
    assert says in str(caught.value)


def test_a_hook_may_end_the_process(logger: Logger) -> None:
    def worker_exit(_server: Server) -> None:
        raise SystemExit(7)

    with pytest.raises(SystemExit, match="7"):
        make_server(logger, {"worker_exit": worker_exit}).call_hook("worker_exit", "server")
