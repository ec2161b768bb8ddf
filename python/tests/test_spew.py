"""The trace of --spew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PROGRAM: Final = """
import threading
from tunicorn.spew import start_spewing

def double(number):
    result = number * 2
    return result

start_spewing()
double(4)
thread = threading.Thread(target=double, args=(5,))
thread.start()
thread.join()
exec("a = 1")
"""


def test_every_line_is_written_with_its_module_and_number_also_in_threads(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ended = subprocess.run(
        [sys.executable, str(program)],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ended.stdout.splitlines()
    assert lines.count("__main__:6:     result = number * 2") == 2
    assert lines.count("__main__:7:     return result") == 2
    assert any(line.startswith("threading:") for line in lines)
    assert any(line.startswith("__main__:1: ") for line in lines)
