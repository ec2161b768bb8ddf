"""What hooks ask for and tunicorn does not have: an error that says what there is instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping


class MissingAttributeError(AttributeError):
    """An attribute that Gunicorn's objects have and tunicorn's have not, or that nobody has."""

    def __init__(self, owner: str, name: str, instead: Mapping[str, str], present: object) -> None:
        # What copy, pickle and inspect ask for is none of the operator's business.
        hint = "" if name.startswith("_") else f": {instead.get(name) or _alternatives(name, present)}"
        super().__init__(f"tunicorn's {owner} has no attribute {name!r}{hint}")


def _alternatives(name: str, present: object) -> str:
    names = [each for each in dir(present) if not each.startswith("_")]
    nearest = difflib.get_close_matches(name, names, 1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(names)}"
