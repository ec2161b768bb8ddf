"""Tracebacks as the operator reads them: without the frames of the server, where there is nothing to mend."""

from __future__ import annotations

import importlib
import os
import traceback
from typing import Final

_OWN_FOLDER: Final = os.path.dirname(__file__) + os.sep


def user_traceback(error: BaseException) -> str:
    """The traceback of what code of the user's own raised, through that code alone."""
    summary = traceback.TracebackException.from_exception(error)
    kept = [frame for frame in summary.stack if not _is_own_or_import_machinery(frame.filename)]
    summary.stack = traceback.StackSummary.from_list(kept)
    return "".join(summary.format()).rstrip()


def _is_own_or_import_machinery(filename: str) -> bool:
    is_own = filename.startswith(_OWN_FOLDER)
    return is_own or filename.startswith("<frozen importlib") or filename == importlib.__file__
