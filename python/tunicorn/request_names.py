"""How log lines name the requests that a worker leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tunicorn.frame import HEAD_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many a line names. Of the others it gives only the number.
NAMED_REQUESTS: Final = 5


def listed(names: Sequence[str]) -> str:
    """The names, the first few of many."""
    more = f" and {len(names) - NAMED_REQUESTS} more" if len(names) > NAMED_REQUESTS else ""
    return ", ".join(names[:NAMED_REQUESTS]) + more


def name_in_head(head: bytes) -> str:
    """Method and target, as far as this beginning of the payload of a REQUEST frame has them."""
    parts = head[HEAD_LENGTH.size :].decode("latin-1").split("\0")
    environ = dict(zip(parts[::2], parts[1::2], strict=False))
    return f"{environ.get('REQUEST_METHOD', '')} {environ.get('RAW_URI', '')}"
