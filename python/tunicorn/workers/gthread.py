"""The gthread worker: a number of threads, each of which takes one request at a time."""

from __future__ import annotations

import select
import signal
import threading
from typing import TYPE_CHECKING, Final

from tunicorn.request_loop import RequestLoop
from tunicorn.waker import Waker
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any

#: Wakes a thread that waits in a system call: signals themselves are handled by the main thread.
WAKE_SIGNAL: Final = signal.SIGURG


class GthreadWorker(Worker):
    """Each thread has a channel of its own, so that a slow or stuck one holds no other back."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._count_lock = threading.Lock()
        self._loops: list[RequestLoop] = []
        self._threads: list[threading.Thread] = []
        #: Threads that have not ended.
        self._running = 0
        #: What ended a thread other than an order to leave; the worker ends by it, too.
        self._failure: BaseException | None = None

    def serve(self, channel_paths: Sequence[str]) -> None:
        # The main thread waits for signals, and for the end of the others. Not by joining them: a signal that
        # the kernel has given to another thread does not end the wait for a lock.
        main_waker = Waker()
        main_waker.wake_by_signals()
        numbers = range(max(1, int(self.cfg.threads)))
        self._loops = [RequestLoop(self, number, Waker()) for number in numbers]
        self._threads = [
            # A stuck one must not keep the process from leaving when it is told to leave at once.
            threading.Thread(
                target=self._run_loop,
                args=(loop, channel_paths, main_waker),
                name=f"tunicorn-{number}",
                daemon=True,
            )
            for number, loop in enumerate(self._loops)
        ]
        self._running = len(self._threads)
        for thread in self._threads:
            thread.start()
        poll = select.poll()
        poll.register(main_waker, select.POLLIN)
        while self._running > 0:
            poll.poll()
            main_waker.clear()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def init_own_signals(self) -> None:
        super().init_own_signals()
        signal.signal(WAKE_SIGNAL, lambda _number, _frame: None)

    def count_request(self) -> None:
        with self._count_lock:
            super().count_request()

    def leave_when_replaced(self) -> None:
        super().leave_when_replaced()
        self._leave()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._leave()

    def _run_loop(self, loop: RequestLoop, channel_paths: Sequence[str], main_waker: Waker) -> None:
        try:
            loop.run(channel_paths)
        except BaseException as error:
            self._failure = error
            self._leave()
        finally:
            with self._count_lock:
                self._running -= 1
            main_waker.wake()

    def _leave(self) -> None:
        """Lets every thread ask the router whether it may go; until then they take requests."""
        self.alive = False
        for loop, thread in zip(self._loops, self._threads, strict=False):
            # The order counts: a thread that begins to wait in between does not wait.
            loop.wake()
            if thread.is_alive() and thread.ident is not None:
                signal.pthread_kill(thread.ident, WAKE_SIGNAL)
