"""SCRIPT_NAME as configuration file or application set it in os.environ, where Gunicorn looks for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tunicorn.application import Application
    from tunicorn.config import Config

#: As the arbiter has it: this is read before the configuration file runs.
_AT_START: Final = os.environ.get("SCRIPT_NAME", "")


def mount(application: Application, cfg: Config) -> Application:
    """The application under the SCRIPT_NAME of this process, if that is not what the router knows."""
    told = _without_slashes(cfg.env.get("SCRIPT_NAME", _AT_START))
    wanted = _without_slashes(os.environ.get("SCRIPT_NAME", ""))
    if wanted == told:
        return application

    def enter(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        # A header may have said otherwise.
        if environ["SCRIPT_NAME"] == told:
            path = told + environ["PATH_INFO"]
            if path != wanted and not path.startswith(f"{wanted}/"):
                raise ValueError(f"the path {path!r} does not lie under SCRIPT_NAME {wanted!r}")
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = wanted, path[len(wanted) :]
        return application(environ, start_response)

    return enter


def _without_slashes(name: str) -> str:
    return name.rstrip("/")
