"""Asks the kernel not to interrupt others for a process that wakes: `batch_scheduling.py PID`.

The router has something to do whenever a worker has answered. If the kernel lets it interrupt a worker
each time, both do little in one go; as a batch process it waits until a processor is free, or the other
one's time is up.

It is a program of its own, with nothing but the standard library: a filter of system calls that does not
allow this one may end who calls it (systemd's SystemCallFilter). The other end is
src/system/batch-scheduling.ts.
"""

from __future__ import annotations

import os
import sys


def schedule_as_batch(pid: int) -> None:
    """Sets SCHED_BATCH, unless somebody has chosen a policy. Does nothing where there is none."""
    if not hasattr(os, "SCHED_BATCH"):
        return
    if os.sched_getscheduler(pid) == os.SCHED_OTHER:
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    try:
        schedule_as_batch(int(sys.argv[1]))
    except OSError as error:
        # It works without, only slower under load.
        sys.exit(f"tunicorn: cannot schedule process {sys.argv[1]} as batch: {error.strerror}")
