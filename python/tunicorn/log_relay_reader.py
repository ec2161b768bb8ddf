"""One connection to the log process: a JSON object a line, as src/log/log-relay.ts writes it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, Final

RECEIVE_BYTES: Final = 256 * 1024


class RelayReader:
    """Cuts what comes on a connection into messages."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        #: Nothing more will come.
        self.is_ended = False
        self._rest = b""
        self._handled = 0

    def acknowledge(self, count: int) -> None:
        """Tells the sender that so many messages more are handled: it keeps them until then."""
        self._handled += count
        if self._handled == 0:
            return
        try:
            self.connection.send(b"%d\n" % self._handled)
        except BlockingIOError:
            return
        except OSError:
            self.is_ended = True
        self._handled = 0

    def read(self) -> Iterator[dict[str, Any]]:
        """The messages that have come, after select said so."""
        try:
            data = self.connection.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_ended = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line)
