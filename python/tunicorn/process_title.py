"""Process titles, when the application's environment has setproctitle."""

from __future__ import annotations

import importlib


def set_process_title(title: str) -> None:
    """Shows the title in ps. Without the package setproctitle nothing happens, as with Gunicorn."""
    try:
        module = importlib.import_module("setproctitle")
    except ImportError:
        return
    module.setproctitle(title)
