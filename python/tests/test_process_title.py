"""Process titles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tunicorn.process_title import set_process_title

from tests.helpers.modules import importing_from, write_modules


def test_the_title_is_given_to_setproctitle(tmp_path: Path) -> None:
    source = "titles = []\n\ndef setproctitle(title):\n    titles.append(title)\n"
    write_modules(tmp_path, {"setproctitle.py": source})
    with importing_from(tmp_path):
        sys.modules.pop("setproctitle", None)
        set_process_title("tunicorn: mold [shop]")
        assert sys.modules["setproctitle"].titles == ["tunicorn: mold [shop]"]


SHOW_TITLE = """
import os, subprocess, sys
sys.modules["setproctitle"] = None
from tunicorn.process_title import set_process_title
set_process_title(sys.argv[1] * int(sys.argv[2]))
print(subprocess.run(["ps", "-o", "args=", "-p", str(os.getpid())], capture_output=True, text=True).stdout)
print(sys.argv[1:], os.environ["MARK"])
"""

TITLE = "tunicorn: worker [shop]"


def show_title(repeated: int) -> list[str]:
    """What ps shows of a process that has set the title, and what the process still knows of itself."""
    ended = subprocess.run(
        [sys.executable, "-c", SHOW_TITLE, TITLE, str(repeated)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "MARK": "kept"},
    )
    return ended.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="without setproctitle a title can be set on Linux only")
class TestWithoutSetproctitle:
    def test_ps_shows_the_title_and_the_process_keeps_its_arguments(self) -> None:
        assert show_title(1) == [TITLE, "", f"{[TITLE, '1']} kept"]

    def test_a_title_that_is_too_long_is_cut_and_the_environment_is_left_alone(self) -> None:
        shown, _, known = show_title(1000)
        assert len(TITLE) < len(shown) < 1000 * len(TITLE)
        assert (TITLE * 1000).startswith(shown)
        assert known == f"{[TITLE, '1000']} kept"
