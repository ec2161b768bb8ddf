"""The command, for console scripts that call it; and a program whose application is named by its module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from tunicorn.app.base import BaseApplication
from tunicorn.application import load_application
from tunicorn.launcher import become_node


class WSGIApplication(BaseApplication):
    """Serves the application `app_uri`, as `module:name`. A class that derives from it has a load_config."""

    app_uri: str

    def load(self) -> Callable[..., Any]:
        """The application that `app_uri` names."""
        return load_application(self.app_uri)


def run(prog: str | None = None) -> NoReturn:
    """The command `tunicorn` with the arguments of this process."""
    become_node(sys.argv[1:])


if __name__ == "__main__":
    run()
