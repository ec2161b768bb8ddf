"""environ["gunicorn.socket"]: the client's connection, for applications that speak another protocol on it.

The router keeps the connection, and joins it with one that the worker dials at the first use of the socket.
From then on the router only passes bytes on. An application that never uses it answers as usual.

Imported with the first request that asks for an upgrade: workers of greenlets have patched `socket` by then.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tunicorn import frame

if TYPE_CHECKING:
    from collections.abc import Callable

#: Attributes that only describe or prepare the socket: to ask for them does not dial.
_NO_USE: Final = frozenset(
    {
        "family", "type", "proto", "timeout", "getsockopt",
        "gettimeout", "settimeout", "getblocking", "setblocking", "get_inheritable", "set_inheritable",
    }
)  # fmt: skip


class TunnelSocket:
    """Behaves like a socket. Its first use dials the router, and it works on that connection from then on."""

    def __init__(
        self, path: str, number: int, take_over: Callable[[], None], addresses: tuple[Any, Any]
    ) -> None:
        self._path = path
        self._number = number
        self._take_over = take_over
        self._addresses = addresses
        # Two threads may use it at once from the beginning.
        self._lock = threading.Lock()
        self._socket: Any = None
        self._is_dialled = False
        self._is_closed = False
        #: Threads, or greenlets, that have used it.
        self._users: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._is_dialled:
            with self._lock:
                self._prepare()
                if name not in _NO_USE and not self._is_dialled:
                    self._dial()
        if name not in _NO_USE:
            self._users.add(threading.get_ident())
        return getattr(self._socket, name)

    def __enter__(self) -> TunnelSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._is_dialled else "not used"
        return f"<TunnelSocket to {self._addresses[0]}, {state}>"

    def getpeername(self) -> Any:
        """The address of the client."""
        return self._addresses[0]

    def getsockname(self) -> Any:
        """The address that the server is asked by."""
        return self._addresses[1]

    def setsockopt(self, level: int, *arguments: Any) -> None:
        """Options of TCP are the router's business."""
        if level != socket.IPPROTO_TCP:
            self.__getattr__("setsockopt")(level, *arguments)

    def close(self) -> None:
        """Closes the worker's end."""
        self._is_closed = True
        if self._socket is not None:
            self._socket.close()

    def release(self) -> None:
        """The application has returned.

        Where another thread reads, as that of simple-websocket does, the connection is left to it for its
        last exchange with the client. If it does not close, the router does a moment later.
        """
        if not self._users - {threading.get_ident()}:
            self.end()

    def end(self) -> None:
        """Closes it for all threads: those that wait for it see its end."""
        if self._is_dialled:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def _prepare(self) -> None:
        if self._is_closed:
            raise OSError("the connection is closed")
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # The application may have set a default timeout for its own sockets.
            self._socket.settimeout(None)

    def _dial(self) -> None:
        timeout = self._socket.gettimeout()
        self._socket.settimeout(None)
        self._socket.connect(self._path)
        self._socket.sendall(frame.encode(frame.JOIN, self._number))
        self._socket.settimeout(timeout)
        self._take_over()
        self._is_dialled = True
