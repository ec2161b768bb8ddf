"""The alarm of an application that limits its own time, at a moment that the test knows."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def alarm_when_sent(connection: socket.socket, size: int) -> Iterator[None]:
    """Raises TimeoutError here, by a signal, as soon as so many bytes can be read at the other end."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError("of the application")

    def watch() -> None:
        while 0 < len(connection.recv(size, socket.MSG_PEEK)) < size:
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, give_up)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()
        signal.signal(signal.SIGALRM, before)
