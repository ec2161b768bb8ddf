"""The file that the arbiter has run by whatever interpreter it found."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.helpers.mold import MOLD_PROGRAM

#: Runs the file as an older Python would, as far as it asks for its version.
RUN_AS: Final = """
import runpy, sys
sys.version_info = {version!r}
sys.version = "{text} (default, Jan  1 2020)"
runpy.run_path({program!r}, run_name="__main__")
"""


def run_as(version: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
    text = ".".join(str(number) for number in version)
    program = RUN_AS.format(version=version, text=text, program=str(MOLD_PROGRAM))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 6, 0), (2, 7, 18)], ids=str)
def test_an_interpreter_that_is_too_old_is_refused_with_its_version_and_a_way_out(
    version: tuple[int, ...],
) -> None:
    completed = run_as(version)
    text = ".".join(str(number) for number in version)
    assert completed.returncode == 78
    assert completed.stderr == (
        f"Python 3.10 or newer is needed, but {sys.executable} is Python {text}.\n"
        "  Install a newer Python, or name one: tunicorn --python /path/to/python3\n"
    )


def test_the_file_can_be_read_by_an_old_interpreter() -> None:
    source = Path(MOLD_PROGRAM).read_text()
    tree = ast.parse(source, feature_version=(3, 0))
    new_in_python_3 = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Nonlocal)
    assert not [node for node in ast.walk(tree) if isinstance(node, new_in_python_3)]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not [function.name for function in functions if function.returns is not None]


def test_nothing_of_the_package_is_imported_before_the_version_is_checked() -> None:
    tree = ast.parse(Path(MOLD_PROGRAM).read_text())
    imported = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert imported == ["os", "sys"]
