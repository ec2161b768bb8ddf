"""The first process of a container; here as an ordinary one, which takes the orphans below it too."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.helpers.deadlines import DEADLINE_SECONDS

INIT: Final = Path(__file__).parents[1] / "tunicorn" / "init.py"

#: Leaves an orphan behind, and prints who has taken it once somebody has waited for its end.
WITH_ORPHAN: Final = """
import os, time
read, write = os.pipe()
middle = os.fork()
if middle == 0:
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle:
            time.sleep(0.01)
        os.write(write, f"{os.getpid()} {os.getppid()}".encode())
    os._exit(0)
os.waitpid(middle, 0)
orphan, parent = os.read(read, 100).decode().split()
while os.path.exists(f"/proc/{orphan}"):
    time.sleep(0.01)
print(parent)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(INIT), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*command: str) -> tuple[int, str, str]:
    """Status and output of a program below an init."""
    process = start(*command)
    stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, stdout, stderr


def run_python(source: str) -> tuple[int, str, str]:
    return run(sys.executable, "-c", source)


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_it_ends_with_the_status_of_the_program(status: int) -> None:
    assert run_python(f"raise SystemExit({status})")[0] == status


def test_it_ends_as_shells_do_for_a_program_that_a_signal_ended() -> None:
    source = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_python(source)[0] == 128 + signal.SIGKILL


def test_the_program_has_its_output_and_no_signal_blocked() -> None:
    source = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    assert run_python(source) == (0, "set()\n", "")


def test_a_program_that_is_not_there_is_named() -> None:
    status, _, stderr = run("/no/such/program")
    assert status == 1
    assert stderr == "tunicorn: Cannot run /no/such/program: No such file or directory\n"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGWINCH]
)
def test_signals_are_passed_on(number: signal.Signals) -> None:
    source = (
        "import signal\n"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])\n"
        "print('ready', flush=True)\n"
        f"print(signal.sigwait([{int(number)}]) == {int(number)})\n"
    )
    process = start(sys.executable, "-c", source)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, stdout) == (0, "True\n")


def test_orphans_of_the_program_are_taken_and_reaped() -> None:
    process = start(sys.executable, "-c", WITH_ORPHAN)
    stdout, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, stdout) == (0, f"{process.pid}\n")
