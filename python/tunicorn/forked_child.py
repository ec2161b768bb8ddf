"""Keeps connections of the worker from processes that its application forks.

Such a child has a copy of every descriptor. While it lives, nobody would find the connection of a dead
worker closed; and one that leaves by sys.exit(), or returns to the server's own code, would answer its
parent's request.
"""

from __future__ import annotations

import _socket
import os
from contextlib import suppress

_kept: set[int] = set()


def keep_from_children(descriptor: int) -> None:
    """A child finds a connection there whose other end is closed."""
    _kept.add(descriptor)


def forget(descriptor: int) -> None:
    """It is about to be closed: its number may be another's at once."""
    _kept.discard(descriptor)


def _cut_off() -> None:
    if not _kept:
        return
    # Not by the module socket, which workers of greenlets have patched.
    end, other = _socket.socketpair()
    other.close()
    for descriptor in _kept:
        # The application may have closed it.
        with suppress(OSError):
            os.dup2(end.fileno(), descriptor, inheritable=False)
    end.close()
    _kept.clear()


os.register_at_fork(after_in_child=_cut_off)
