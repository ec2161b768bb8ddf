"""The first process of a container: it runs the server, passes signals on, and reaps whoever is left to it.

    init.py PROGRAM ARGUMENTS...

The kernel gives orphans to process 1, which has to wait for them, or they stay in the process table.
Node waits for its own children only, so that process is this one. It is a program of its own, with
nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Final, NoReturn

#: These are about this process itself.
NOT_PASSED_ON: Final = frozenset(
    (
        signal.SIGCHLD,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGTRAP,
        signal.SIGABRT,
    )
)

#: prctl(2): orphans among our descendants are given to us, though we are not process 1.
PR_SET_CHILD_SUBREAPER: Final = 36

#: Added to the number of the signal that ended the program, as shells do.
SIGNAL_STATUS: Final = 128


def run_as_init(command: list[str]) -> NoReturn:
    """Runs the command in a child process, and ends this one with its status."""
    if os.getpid() != 1:
        _become_subreaper()
    # Before the fork: no signal may be lost between the two.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _run(command, blocked)
    while True:
        number = signal.sigwait(signal.valid_signals())
        if number == signal.SIGCHLD:
            status = _reap(pid)
            if status is not None:
                sys.exit(status)
        elif number not in NOT_PASSED_ON:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _run(command: list[str], signal_mask: set[int | signal.Signals]) -> NoReturn:
    """In the child: becomes the command, in a process group of its own.

    Else a terminal's Ctrl-C would reach it twice: by itself, and passed on.
    """
    try:
        os.setpgid(0, 0)
        if os.isatty(0):
            # Blocked as all signals are, SIGTTOU does not stop us here.
            os.tcsetpgrp(0, os.getpgrp())
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
        if os.environ.get("LISTEN_PID") == str(os.getppid()):
            # Sockets that were passed to us are for the server.
            os.environ["LISTEN_PID"] = str(os.getpid())
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"tunicorn: Cannot run {command[0]}: {error.strerror}\n")
    finally:
        os._exit(1)


def _reap(main_pid: int) -> int | None:
    """Waits for all that have ended. The exit status once the program itself has."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main_pid:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else SIGNAL_STATUS - code


def _become_subreaper() -> None:
    # A Python without ctypes reaps what it is given, and the rest is process 1's.
    with suppress(ImportError, AttributeError, OSError):
        import ctypes  # noqa: PLC0415 -- it may be missing

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    run_as_init(sys.argv[1:])
