"""Writing a large response to the client's own socket, which the router lends for it.

So the body is copied once, from the application's memory into that socket, as if there were no router. What
the client does not take at once goes the usual way: a slow client holds no worker.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tunicorn import frame
from tunicorn.forked_child import forget, keep_from_children

if TYPE_CHECKING:
    from tunicorn.channel import Channel

#: For so many responses no socket is asked for after one that took little: that costs more than it saves.
PAUSE_RESPONSES: Final = 16

#: The head that the router sends with a socket is smaller.
_RECEIVE_BYTES: Final = 64 * 1024
_DESCRIPTOR: Final = struct.Struct("i")


class Written(NamedTuple):
    """What the client took at once."""

    octets: int
    #: Those of the body among them.
    body: int


class Borrower:
    """Borrows sockets from the router at the other end of a channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        #: Here the router dials, once: Node cannot send a socket over the channel, which it has accepted. The
        #: name is no longer than that of the channel, so the path is not too long.
        folder = os.path.dirname(channel.path)
        self._path = f"{folder}/lend-{os.getpid()}-{channel.fileno()}"
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._is_asked = False
        #: Responses for which no socket is asked.
        self._pause = 0

    def is_ready(self) -> bool:
        """Whether a socket is to be asked for now. The router is told to dial when this is called first."""
        if self._connection is None:
            if self._is_asked:
                self._accept()
            else:
                self._ask()
        elif self._pause > 0:
            self._pause -= 1
            return False
        return self._connection is not None

    def write(self, stream: int, head: bytes, body: bytes) -> Written | None:
        """Asks with a BORROW frame, and writes what the client takes at once.

        None when there is no socket to be had: the router has taken the head then. Raises ConnectionError
        when the router is gone.
        """
        try:
            self._channel.send(head)
            before, descriptor = self._receive(stream)
            octets = 0 if descriptor is None else _write_to(descriptor, before, body)
        except BaseException:
            # A signal handler of the application has raised, say: an answer may still come, and is nobody's.
            self.close()
            raise
        # What is to be written comes with a socket. A process that can have no further descriptor does not
        # get that: nothing is written then, and the router waits for it to be returned.
        written = Written(octets, max(0, octets - len(before))) if before else None
        if written is None or written.body < len(body) // 2:
            self._pause = PAUSE_RESPONSES
        return written

    def close(self) -> None:
        """Ends the connection, or no longer waits for it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._stop_listening()

    def _ask(self) -> None:
        try:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            # No descriptor is left at the moment.
            return
        self._is_asked = True
        try:
            listener.bind(self._path)
            listener.listen(1)
        except OSError:
            # The folder was removed, say: then everything goes through the router.
            listener.close()
            return
        listener.setblocking(False)
        self._listener = listener
        # A router that is gone is noticed with the response itself.
        with suppress(ConnectionError):
            self._channel.send(frame.encode(frame.DIAL, payload=os.fsencode(self._path)))

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError:
            # The router has not dialled yet, or there is no descriptor.
            return
        # The application may have set a default timeout for its own sockets.
        connection.settimeout(None)
        self._connection = connection
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            with suppress(OSError):
                os.unlink(self._path)

    def _receive(self, stream: int) -> tuple[bytes, int | None]:
        """What comes before the body, and the socket."""
        assert self._connection is not None
        data = b""
        descriptor: int | None = None
        end = frame.HEADER_BYTES
        while len(data) < end:
            received, ancillary, _, _ = self._connection.recvmsg(
                _RECEIVE_BYTES, socket.CMSG_SPACE(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
            )
            if not received:
                self._channel.is_lost = True
                raise ConnectionResetError("the router went away while a socket was borrowed")
            for _, _, content in ancillary:
                (descriptor,) = _DESCRIPTOR.unpack(content)
            data += received
            if len(data) >= frame.HEADER_BYTES:
                end = frame.HEADER_BYTES + frame.HEADER.unpack_from(data)[0]
        _, kind, _, _, number = frame.HEADER.unpack_from(data)
        if kind != frame.LENT or number != stream or len(data) != end:
            if descriptor is not None:
                os.close(descriptor)
            raise frame.ProtocolError(f"the router answered with a frame of type {kind}, want {frame.LENT}")
        return data[frame.HEADER_BYTES :], descriptor


def _write_to(descriptor: int, before: bytes, body: bytes) -> int:
    """Writes as much as the client takes at once, and closes the descriptor."""
    # A child that the application forks meanwhile must not hold the client's connection.
    keep_from_children(descriptor)
    # The family does not matter for what is done with it here.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor) as client:
        try:
            # The socket never waits, but this object would, if the application has set a default timeout.
            client.settimeout(0)
            return _write(client, before, body)
        finally:
            forget(descriptor)


def _write(client: socket.socket, before: bytes, body: bytes) -> int:
    written = 0
    flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
    try:
        with memoryview(body) as view:
            written = client.sendmsg((before, view), (), flags)
            while 0 <= written - len(before) < len(body):
                written += client.send(view[written - len(before) :], flags)
    except OSError as error:
        # Full, or gone, which is the router's business. What the system has not raised, a signal handler of
        # the application has (its own TimeoutError, say), and how much was written is not known then.
        if error.errno is None:
            raise
    return written
