"""How long a test waits for a fact before it fails. Facts come in milliseconds; a loaded machine is slow."""

from typing import Final

DEADLINE_SECONDS: Final = 30.0

#: For what has to happen at once, and would happen by itself after ten seconds or more.
AT_ONCE_SECONDS: Final = 5.0
