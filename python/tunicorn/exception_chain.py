"""What an exception comes of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all that it was raised from, or while they were handled.

    Each once: `raise error from error` makes a circle.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += (found.__context__, found.__cause__)
