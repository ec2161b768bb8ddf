"""The workers of a mold: forked, signalled, and reaped when they have ended."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from tunicorn.boot_report import read_report
from tunicorn.children import send_signal, wait_status
from tunicorn.standard_streams import flush_standard_streams
from tunicorn.workers.base import LEAVING_SIGNALS, Worker

if TYPE_CHECKING:
    from tunicorn.control import ControlChannel
    from tunicorn.mold_logs import MoldLogs


class Child(NamedTuple):
    """A worker that was forked."""

    worker: Worker
    #: Read end of the pipe through which it says why it could not boot.
    report_fd: int


class MoldWorkers:
    """Forks workers, and tells the arbiter how each began and ended."""

    def __init__(self, control: ControlChannel, logs: MoldLogs, run_hook: Callable[..., str | None]) -> None:
        """`run_hook` takes a hook's name and arguments, and says what it raised."""
        self._control = control
        self._logs = logs
        self._run_hook = run_hook
        self._children: dict[int, Child] = {}

    @property
    def pids(self) -> Collection[int]:
        """Of the workers that are not reaped yet."""
        return self._children.keys()

    def fork(self, worker: Worker) -> int | None:
        """Forks a worker. None in the mold; in the worker the descriptor for its report."""
        try:
            worker.stack_file = self._logs.make_stack_file()
            report_read, report_write = os.pipe()
        except OSError as error:
            self._tell_unforked(worker, error)
            return None
        flush_standard_streams()
        # What is there by now stays for good, and a collection in the worker that looked at it would copy it.
        gc.freeze()
        # What a worker is told so early waits until it can hear: here it would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, LEAVING_SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(report_read)
            os.close(report_write)
            self._tell_unforked(worker, error)
            return None
        if pid == 0:
            os.close(report_read)
            return report_write
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(report_write)
        worker.pid = pid
        self._children[pid] = Child(worker, report_read)
        worker.server.WORKERS[pid] = worker
        self._control.send("forked", worker=worker.age, pid=pid)
        return None

    def _tell_unforked(self, worker: Worker, error: OSError) -> None:
        self._logs.drop_stacks(worker)
        self.tell_unborn(worker.age, 1, f"Cannot fork a worker: {error}")

    def tell_unborn(self, age: int, status: int, report: str) -> None:
        """A worker that could not be forked counts as one that could not boot."""
        self._control.send("worker-exited", worker=age, pid=0, status=status, signal=None, report=report)

    def signal(self, age: int, number: int) -> None:
        """Signals the worker of this number."""
        for pid, child in self._children.items():
            if child.worker.age == age:
                # Not reaped by us yet, so the pid is still this worker's.
                send_signal(pid, number)

    def signal_all(self, number: int) -> None:
        """Signals every worker."""
        for pid in self._children:
            send_signal(pid, number)

    def reap(self) -> None:
        """Tells of the workers that have ended, and of the stacks that others have written."""
        for pid in list(self._children):
            status = wait_status(pid)
            self._logs.tell_stacks(self._children[pid].worker, is_complete=status is not None)
            if status is not None:
                self._bury(pid, self._children.pop(pid), status)

    def _bury(self, pid: int, child: Child, status: int) -> None:
        worker = child.worker
        worker.server.WORKERS.pop(pid, None)
        # Before the arbiter hears of it, which may end the server then: on_exit comes last.
        raised = self._run_hook("child_exit", worker.server, worker)
        if raised is not None:
            self._logs.logger.error("The hook child_exit raised\n%s", raised)
        code = os.waitstatus_to_exitcode(status)
        self._control.send(
            "worker-exited",
            worker=worker.age,
            pid=pid,
            status=max(code, 0),
            signal=signal.Signals(-code).name if code < 0 else None,
            report=read_report(child.report_fd),
        )

    def leave(self) -> None:
        """In a forked process: lets go of what the mold has of its workers."""
        for child in self._children.values():
            os.close(child.report_fd)
            self._logs.drop_stacks(child.worker)
        self._children.clear()
