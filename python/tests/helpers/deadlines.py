"""How long a test waits for a fact before it fails. Facts come in milliseconds; a loaded machine is slow."""

import time
from pathlib import Path
from typing import Final

DEADLINE_SECONDS: Final = 30.0

#: For what has to happen at once, and would happen by itself after ten seconds or more.
AT_ONCE_SECONDS: Final = 5.0


def wait_for_file(path: Path) -> None:
    """Waits for a file that another process makes."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not made"
        time.sleep(0.01)
