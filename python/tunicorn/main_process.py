"""Lets systemd see that a process has become its child.

    main_process.py ADDRESS PID     NOTIFY_SOCKET, and the process that is the service

systemd asks whether a main process is its child when it hears of it, and never again. An arbiter that takes
the place of another is still that one's child at that moment, and then systemd does not wait for its end: a
stop with KillMode=mixed kills it at once. So this program is made the main process for a moment, and gives
the place back. It says when it can, and does it when its standard input ends. The other end is
src/arbiter/adoption.ts.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import Final

#: For systemd to receive a message, and to have handled it.
ANSWER_SECONDS: Final = 5


def main(arguments: list[str]) -> int:
    """Gives the place to the process that the arguments name."""
    address, pid = arguments
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(ANSWER_SECONDS)
    manager.connect("\0" + address[1:] if address.startswith("@") else address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    manager.send(b"MAINPID=" + pid.encode())
    _wait_until_handled(manager)
    return 0


def _wait_until_handled(manager: socket.socket) -> None:
    """As sd_notify_barrier(3): a message of a process that has gone may be ignored."""
    seen, handed = os.pipe()
    socket.send_fds(manager, [b"BARRIER=1"], [handed])
    os.close(handed)
    poll = select.poll()
    poll.register(seen, 0)
    poll.poll(ANSWER_SECONDS * 1000)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
