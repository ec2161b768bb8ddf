"""Makes a socket that Node cannot make, and hands it to the arbiter that started this program.

    descriptors.py shared HOST PORT     a TCP socket with SO_REUSEPORT, bound
    descriptors.py abstract NAME        a unix socket with an abstract name, bound
    descriptors.py datagram ADDRESS     a datagram socket, connected to a unix address (@name: abstract)

It is a program of its own, with nothing but the standard library, and ends as soon as the socket is
handed over. The other end is src/system/descriptor-maker.ts.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
from typing import Final

#: How long a datagram may wait for room at its receiver.
SEND_SECONDS: Final = 1


def bind_shared(host: str, port: int) -> socket.socket:
    """A TCP socket that shares its port with others of the same user."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    return made


def bind_abstract(name: str) -> socket.socket:
    """A unix socket without a file."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind("\0" + name)
    return made


def connect_datagram(address: str) -> socket.socket:
    """A datagram socket to somebody who receives at a unix address."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # Whoever writes to it must not hang on a receiver that does not read.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
    made.connect("\0" + address[1:] if address.startswith("@") else address)
    return made


def main(arguments: list[str]) -> int:
    """Makes the socket that the arguments name, and sends it or the reason why it cannot be."""
    channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
    channel.setblocking(True)
    kind, name, *rest = arguments
    try:
        if kind == "shared":
            _hand_over_handle(channel, bind_shared(name, int(rest[0])))
        elif kind == "abstract":
            _hand_over_handle(channel, bind_abstract(name))
        else:
            _hand_over_descriptor(channel, connect_datagram(name))
    except OSError as error:
        _send(channel, {"failed": errno.errorcode.get(error.errno or 0, "EIO"), "message": str(error)}, [])
    # Any answer: until it comes, the message is on its way.
    channel.recv(4096)
    return 0


def _hand_over_handle(channel: socket.socket, made: socket.socket) -> None:
    """Node wraps a stream socket into a handle; the envelope is that of its own messages."""
    envelope = {"cmd": "NODE_HANDLE", "type": "net.Native", "msg": {"made": "handle"}}
    _send(channel, envelope, [made.fileno()])


def _hand_over_descriptor(channel: socket.socket, made: socket.socket) -> None:
    """Node has no handle for a unix datagram socket: it keeps the descriptor while the channel lives.

    Our end of the channel goes along, so that the channel lives on when we have ended.
    """
    message = {"made": "descriptor", "inode": os.fstat(made.fileno()).st_ino}
    _send(channel, message, [made.fileno(), channel.fileno()])


def _send(channel: socket.socket, message: object, descriptors: list[int]) -> None:
    socket.send_fds(channel, [json.dumps(message).encode() + b"\n"], descriptors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
