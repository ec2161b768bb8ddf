"""What all worker classes share, seen at the sync worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.server import Server
from tunicorn.workers.base import Worker
from tunicorn.workers.sync import SyncWorker

from tests.conftest import StartWorker
from tests.helpers.deadlines import AT_ONCE_SECONDS
from tests.helpers.modules import write_modules
from tests.helpers.mold import MoldProcess
from tests.helpers.router import END, FAILED, LAST, READY, RESPONSE, RouterListener, body_of

HELLO_APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""

#: Answers the first request with a first piece, and waits until somebody writes to the gate.
WAITING_APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    yield wait_at_the_gate()


def wait_at_the_gate():
    return open("gate", "rb").read()
"""

#: Waits at the gate, and is told to leave once more while it tidies up, as by Ctrl-C and then by the arbiter.
TIDYING_APPLICATION = """
import signal


def application(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    try:
        yield open("gate", "rb").read()
    finally:
        signal.raise_signal(signal.SIGQUIT)
        environ["wsgi.errors"].write("the application has tidied up\\n")
"""

RECORDING_HOOKS = """
def post_fork(server, worker):
    worker.log.info("post_fork %s", worker.booted)


def post_worker_init(worker):
    worker.log.info("post_worker_init %s %s", worker.booted, worker.wsgi is not None)


def worker_int(worker):
    worker.log.info("worker_int %s", worker.alive)


def worker_abort(worker):
    worker.log.info("worker_abort %s", worker.alive)


def worker_exit(server, worker):
    worker.log.info("worker_exit %s", worker.nr)
"""


def make_worker(logger: Logger, **settings: object) -> Worker:
    cfg = Config(
        {"workers": 1, "threads": 1, "max_requests": 0, "max_requests_jitter": 0, "timeout": 30, **settings},
        {},
    )
    return SyncWorker.make(Server(cfg, logger, 4121), 12, None)


@pytest.fixture
def _faulthandler_enabled_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")


class TestBeforeTheFork:
    def test_a_worker_has_the_attributes_that_hooks_know(self, logger: Logger) -> None:
        worker = make_worker(logger)
        assert worker.age == 12
        assert worker.pid == "[booting]"
        assert worker.ppid == os.getpid()
        assert worker.cfg.workers == 1
        assert worker.log is logger
        assert worker.nr == 0
        assert (worker.alive, worker.booted) == (True, False)

    def test_a_worker_is_shown_by_its_pid(self, logger: Logger) -> None:
        worker = make_worker(logger)
        assert str(worker) == "<Worker [booting]>"
        worker.pid = 4121
        assert str(worker) == "<Worker 4121>"


class TestMaxRequests:
    def test_without_a_limit_there_is_none_whatever_the_jitter(self, logger: Logger) -> None:
        assert make_worker(logger, max_requests=0, max_requests_jitter=50).max_requests == 0

    def test_without_jitter_the_limit_is_exact(self, logger: Logger) -> None:
        assert {make_worker(logger, max_requests=7).max_requests for _ in range(20)} == {7}

    def test_the_jitter_is_added_to_the_limit_and_differs_from_worker_to_worker(self, logger: Logger) -> None:
        limits = {
            make_worker(logger, max_requests=100, max_requests_jitter=3).max_requests for _ in range(500)
        }
        assert limits == {100, 101, 102, 103}


class TestHooks:
    def test_hooks_are_called_in_the_order_of_a_workers_life(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        source = "import logging\nlogging.getLogger('gunicorn.error').info('imported')\n" + HELLO_APPLICATION
        worker = start_worker(source, RECORDING_HOOKS)
        worker.channel.request()
        worker.channel.receive_response()
        worker.channel.drain()
        mold.expect("worker-exited")
        lines = [line.partition("] [INFO] ")[2] for line in mold.stderr.splitlines()]
        assert lines == [
            f"Booting worker with pid: {worker.pid}",
            "post_fork False",
            "imported",
            "post_worker_init True True",
            f"Worker exiting (pid: {worker.pid})",
            "worker_exit 1",
        ]

    def test_hooks_find_the_application_at_the_workers_app_and_may_replace_it(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        config = (
            "def post_fork(server, worker):\n"
            "    worker.log.info('before %s', worker.app.callable)\n"
            "def post_worker_init(worker):\n"
            "    said = worker.app.app_uri, worker.app.callable is worker.app.wsgi() is worker.wsgi\n"
            "    worker.log.info('%s %s', *said)\n"
            "    application = worker.wsgi\n"
            "    worker.wsgi = lambda *arguments: [piece.upper() for piece in application(*arguments)]\n"
            "def worker_exit(server, worker):\n"
            "    worker.log.info('after %s', worker.app.callable.__name__)\n"
        )
        worker = start_worker(HELLO_APPLICATION, config)
        worker.channel.request()
        assert body_of(worker.channel.receive_response()) == b"HELLO"
        worker.channel.drain()
        mold.expect("worker-exited")
        for line in ("before None", "app True", "after application"):
            assert line in mold.stderr

    def test_a_hook_may_set_the_application_before_it_is_loaded(self, start_worker: StartWorker) -> None:
        config = (
            "def hello(environ, start):\n    start('200 OK', [])\n    return [b'set']\n"
            "def post_fork(server, worker):\n    worker.app.callable = hello\n"
        )
        worker = start_worker("raise RuntimeError('not imported')", config)
        worker.channel.request()
        assert body_of(worker.channel.receive_response()) == b"set"

    def test_a_worker_exit_that_raises_is_logged_and_no_failure(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        config = "def worker_exit(server, worker):\n    raise RuntimeError('no vault')\n"
        start_worker(HELLO_APPLICATION, config).channel.drain()
        assert mold.expect("worker-exited")["status"] == 0
        assert "[ERROR] The hook worker_exit raised\n" in mold.stderr

    def test_worker_exit_is_called_when_the_boot_fails(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"gunicorn.conf.py": RECORDING_HOOKS})
        mold.read_config("gunicorn.conf.py")
        mold.configure()
        mold.fork()
        assert mold.expect("worker-exited")["status"] == 3
        assert "worker_exit 0" in mold.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT"])
class TestQuit:
    def test_an_idle_worker_leaves_at_once(
        self, mold: MoldProcess, start_worker: StartWorker, name: str
    ) -> None:
        worker = start_worker(HELLO_APPLICATION, RECORDING_HOOKS)
        mold.send("signal", worker=1, signal=name)
        worker.channel.expect_end()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (0, None, None)
        assert "worker_int False" in mold.stderr
        assert "worker_exit 0" in mold.stderr

    def test_a_busy_worker_cuts_its_answer_and_leaves_at_once(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path, name: str
    ) -> None:
        worker = start_worker(WAITING_APPLICATION)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal=name)
            assert worker.channel.expect(FAILED).flags == END | LAST
            worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_a_second_order_ends_nothing_that_the_worker_does_because_of_the_first(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path, name: str
    ) -> None:
        worker = start_worker(TIDYING_APPLICATION, RECORDING_HOOKS)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal=name)
            assert worker.channel.expect(FAILED).flags == END | LAST
        assert mold.expect("worker-exited")["status"] == 0
        assert "the application has tidied up" in mold.stderr
        assert "Leaving now: cutting off GET /" in mold.stderr
        assert mold.stderr.count("worker_int") == 1

    def test_a_worker_that_the_router_holds_back_leaves_at_once(
        self, mold: MoldProcess, start_worker: StartWorker, name: str
    ) -> None:
        worker = start_worker(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    return [b'x' * 50_000_000]\n"
        )
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        # Nothing more is read: the client is slow, and the worker waits in the middle of a frame.
        mold.send("signal", worker=1, signal=name)
        mold.set_deadline(AT_ONCE_SECONDS)
        assert mold.expect("worker-exited")["status"] == 0


class TestAbort:
    def test_the_stack_is_written_before_the_worker_leaves(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        worker = start_worker(WAITING_APPLICATION, RECORDING_HOOKS)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal="SIGABRT")
            exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (1, None, None)
        assert f'File "{mold.folder}/app.py", line 9 in wait_at_the_gate' in mold.stderr
        assert f'File "{mold.folder}/app.py", line 5 in application' in mold.stderr
        assert "worker_abort False" in mold.stderr
        assert "worker_exit 1" in mold.stderr

    @pytest.mark.usefixtures("_faulthandler_enabled_at_the_start")
    def test_the_stack_is_written_also_where_the_interpreter_has_enabled_faulthandler(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        worker = start_worker(WAITING_APPLICATION)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal="SIGABRT")
            mold.expect("worker-exited")
        assert "in wait_at_the_gate" in mold.stderr

    def test_the_stacks_of_other_threads_are_written_too(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        source = (
            "import threading\n\n"
            "def wait_for_ever():\n    threading.Event().wait()\n\n"
            "threading.Thread(target=wait_for_ever, daemon=True).start()\n"
        )
        worker = start_worker(source + WAITING_APPLICATION)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal="SIGABRT")
            mold.expect("worker-exited")
        assert "in wait_for_ever" in mold.stderr
        assert "in wait_at_the_gate" in mold.stderr

    def test_the_stack_goes_to_the_error_log(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        log = mold.folder / "error.log"
        worker = start_worker(WAITING_APPLICATION, error_log=str(log))
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal="SIGABRT")
            mold.expect("worker-exited")
        assert "in wait_at_the_gate" in log.read_text()

    def test_the_stack_goes_to_the_log_that_was_opened_last_and_to_no_other_file(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        # A descriptor below that of the log is free when the log is opened anew, and the application
        # opens a file of its own in the log's former place.
        log = mold.folder / "error.log"
        source = f"""
import os

def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/before":
        os.close(0)
        return [b"closed"]
    own = open("own.txt", "w")
    own.write("precious")
    own.flush()
    return wait_at_the_gate(own)

def wait_at_the_gate(own):
    return [open({str(blocking_gate)!r}, "rb").read()]
"""
        worker = start_worker(source, error_log=str(log))
        worker.channel.request(1, {"PATH_INFO": "/before"})
        worker.channel.receive_response()
        log.rename(mold.folder / "error.log.1")
        os.kill(worker.pid, signal.SIGUSR1)
        worker.channel.request(2, {"PATH_INFO": "/after"})
        with blocking_gate.open("wb"):
            mold.send("signal", worker=1, signal="SIGABRT")
            mold.expect("worker-exited")
        assert (mold.folder / "own.txt").read_text() == "precious"
        assert "in wait_at_the_gate" in log.read_text()


class TestOtherSignals:
    def test_usr1_opens_the_log_file_anew(self, mold: MoldProcess, start_worker: StartWorker) -> None:
        log = mold.folder / "error.log"
        source = """
def application(environ, start_response):
    environ["wsgi.errors"].write(environ["PATH_INFO"] + "\\n")
    start_response("204 No Content", [])
    return []
"""
        worker = start_worker(source, error_log=str(log))
        worker.channel.request(1, {"PATH_INFO": "/before"})
        worker.channel.receive_response()
        moved = log.rename(mold.folder / "error.log.1")
        worker.channel.request(2, {"PATH_INFO": "/between"})
        worker.channel.receive_response()
        mold.send("signal", worker=1, signal="SIGUSR1")
        # The order of the signal is certain once the mold has answered what came after it.
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")
        worker.channel.request(3, {"PATH_INFO": "/after"})
        worker.channel.receive_response()
        assert moved.read_text().splitlines()[-2:] == ["/before", "/between"]
        assert log.read_text() == "/after\n"

    def test_signals_that_went_to_the_whole_group_mean_nothing(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        worker = start_worker(HELLO_APPLICATION)
        for name in ("SIGHUP", "SIGWINCH", "SIGPIPE", "SIGCHLD"):
            mold.send("signal", worker=1, signal=name)
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")
        worker.channel.request()
        assert body_of(worker.channel.receive_response()) == b"hello"

    def test_an_application_may_run_other_programs(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        worker = start_worker(
            "import subprocess\n\n"
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    done = subprocess.run(['sh', '-c', 'echo said; exit 3'], stdout=subprocess.PIPE)\n"
            "    return [done.stdout, str(done.returncode).encode()]\n"
        )
        worker.channel.request()
        assert body_of(worker.channel.receive_response()) == b"said\n3"


class TestRouters:
    def test_a_worker_dials_the_router_that_follows_a_dead_one(
        self, mold: MoldProcess, start_worker: StartWorker, router: RouterListener
    ) -> None:
        first = start_worker(HELLO_APPLICATION)
        first.channel.close()
        second = router.accept()
        assert second.receive_hello()["pid"] == first.pid
        second.expect(READY)
        second.request(1)
        assert body_of(second.receive_response()) == b"hello"

    def test_a_router_that_dies_during_an_answer_costs_the_answer_and_not_the_worker(
        self, mold: MoldProcess, start_worker: StartWorker, router: RouterListener, blocking_gate: Path
    ) -> None:
        worker = start_worker(WAITING_APPLICATION)
        worker.channel.request()
        worker.channel.expect(RESPONSE)
        with blocking_gate.open("wb") as writing:
            worker.channel.close()
            writing.write(b"second")
        second = router.accept()
        assert second.receive_hello()["pid"] == worker.pid
        second.expect(READY)
        assert "[ERROR]" not in mold.stderr

    def test_a_worker_that_is_told_to_leave_does_not_wait_for_a_next_router(
        self, mold: MoldProcess, start_worker: StartWorker, router: RouterListener
    ) -> None:
        worker = start_worker(HELLO_APPLICATION)
        router.vanish()
        # Half open: the end of the worker's own side shows that it has begun to dial.
        worker.channel.connection.shutdown(1)
        worker.channel.expect_end()
        mold.send("signal", worker=1, signal="SIGTERM")
        mold.set_deadline(AT_ONCE_SECONDS)
        assert mold.expect("worker-exited")["status"] == 0
