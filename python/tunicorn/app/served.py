"""The configuration file of a program's server: importing it runs the program, which has the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from tunicorn.app.base import BaseApplication
from tunicorn.app.program import run_again

_application = run_again()
assert isinstance(_application, BaseApplication)

default_proc_name = os.path.basename(sys.argv[0])

globals().update(_application.cfg.settings)

wsgi_app = f"{__name__}:application()"


def application() -> Callable[..., Any]:
    """What the program serves."""
    assert isinstance(_application, BaseApplication)
    return _application.wsgi()
