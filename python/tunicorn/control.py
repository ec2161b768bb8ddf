"""The control channel between arbiter and mold: one JSON object a line, over an inherited socket."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

#: The descriptor that the arbiter hands down.
CONTROL_FD: Final = 3

Message = dict[str, Any]


class ControlChannel:
    """Sends and receives messages. The arbiter's end is src/arbiter/mold-messages.ts."""

    def __init__(self, fd: int = CONTROL_FD) -> None:
        self._socket = socket.socket(fileno=fd)
        # It was handed down across an exec, but is not for programs that the user's code starts.
        self._socket.set_inheritable(False)
        self._buffer = b""

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, kind: str, **fields: object) -> None:
        """Sends a message; an arbiter that is gone is noticed when receiving."""
        try:
            self._socket.sendall(json.dumps({"type": kind, **fields}).encode() + b"\n")
        except OSError:
            return

    def receive(self) -> list[Message] | None:
        """The messages that have come, after select said so; None when the arbiter is gone."""
        try:
            data = self._socket.recv(1024 * 1024)
        except ConnectionError:
            data = b""
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Closes this end, in a forked worker."""
        self._socket.close()
