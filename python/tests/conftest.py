"""Fixtures of all tests."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tunicorn.log import Logger

from tests.helpers.asgi import application
from tests.helpers.gateway import Gateway
from tests.helpers.logs import set_up
from tests.helpers.mold import MoldProcess
from tests.helpers.queue import QueueEnd
from tests.helpers.router import READY, RouterEnd, RouterListener


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the name of a Unix socket (104 bytes on macOS)."""
    with tempfile.TemporaryDirectory(prefix="tunicorn-test-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    """Where the logger of the test writes."""
    return tmp_path / "error.log"


@pytest.fixture
def logger(log_path: Path) -> Iterator[Logger]:
    """A logger that writes to log_path."""
    logger = Logger()
    set_up(logger, log_path)
    yield logger
    for log in (logger.error_log, logger.access_log):
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()
        log.setLevel(logging.NOTSET)


@pytest.fixture
def gateway(logger: Logger, log_path: Path) -> Iterator[Gateway]:
    """A WSGI gateway on a socket pair."""
    gateway = Gateway(logger, log_path)
    yield gateway
    gateway.close()


StartMold = Callable[..., MoldProcess]


@pytest.fixture
def start_mold(short_folder: Path) -> Iterator[StartMold]:
    """Starts a mold in short_folder and waits for its hello."""
    molds: list[MoldProcess] = []

    def start(env: Mapping[str, str] | None = None) -> MoldProcess:
        mold = MoldProcess(short_folder, env)
        molds.append(mold)
        mold.expect("hello")
        return mold

    yield start
    for mold in molds:
        mold.end()


@pytest.fixture
def mold(start_mold: StartMold) -> MoldProcess:
    """A mold that has said hello."""
    return start_mold()


@pytest.fixture
def router(mold: MoldProcess) -> Iterator[RouterListener]:
    """A router on which the workers of the mold dial."""
    listener = RouterListener(mold.channel_path)
    yield listener
    listener.close()


class RunningWorker(NamedTuple):
    """A worker that is ready for its first request."""

    pid: int
    channel: RouterEnd


StartWorker = Callable[..., RunningWorker]


@pytest.fixture
def start_worker(mold: MoldProcess, router: RouterListener) -> StartWorker:
    """Writes the application's module, and a configuration file if one is given, and starts a worker."""

    def start(
        source: str, config: str | None = None, error_log: str = "-", **settings: object
    ) -> RunningWorker:
        (mold.folder / "app.py").write_text(source)
        if config is not None:
            (mold.folder / "gunicorn.conf.py").write_text(config)
            mold.read_config("gunicorn.conf.py")
            mold.expect("config")
        mold.configure(error_log, **settings)
        pid = mold.fork()
        channel = router.accept()
        channel.receive_hello()
        channel.expect(READY)
        return RunningWorker(pid, channel)

    return start


StartAsgi = Callable[..., RunningWorker]


@pytest.fixture
def start_asgi(start_worker: StartWorker) -> StartAsgi:
    """Starts an asgi worker with an application that is `async def handle(scope, receive, send)`."""

    def start(handler: str, config: str | None = None, **settings: object) -> RunningWorker:
        return start_worker(application(handler), config, **{"worker_class": "asgi", **settings})

    return start


@pytest.fixture
def gate(mold: MoldProcess) -> Path:
    """A file; calls that await it go on when the test makes it."""
    return mold.folder / "gate"


@pytest.fixture
def blocking_gate(mold: MoldProcess) -> Path:
    """A named pipe: opening it to write waits until the application waits in it."""
    path = mold.folder / "gate"
    os.mkfifo(path)
    return path


class PullingWorker(NamedTuple):
    """A worker that waits to be told to pull."""

    pid: int
    channel: RouterEnd
    queue: QueueEnd


StartPullingWorker = Callable[..., PullingWorker]


@pytest.fixture
def start_pulling_worker(mold: MoldProcess, start_worker: StartWorker) -> Iterator[StartPullingWorker]:
    """Like start_worker, with a shared queue that its router has opened."""
    queues: list[QueueEnd] = []

    def start(source: str, config: str | None = None, **settings: object) -> PullingWorker:
        mold.queue_directory = mold.folder / "queue"
        mold.queue_directory.mkdir()
        queue = QueueEnd(mold.queue_directory)
        queues.append(queue)
        worker = start_worker(source, config, **settings)
        queue.open()
        return PullingWorker(worker.pid, worker.channel, queue)

    yield start
    for queue in queues:
        queue.close()
