"""Types of PEP 3333; wsgiref.types has them from Python 3.11 on."""

from collections.abc import Callable
from typing import Any

Environ = dict[str, Any]
Write = Callable[[bytes], None]
StartResponse = Callable[..., Write]
