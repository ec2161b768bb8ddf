"""Applications that a PasteDeploy file makes."""

from __future__ import annotations

import importlib
import re
import traceback

from tunicorn.application import (
    EXIT_APPLICATION_LOAD,
    EXIT_WORKER_BOOT,
    Application,
    LoadError,
)
from tunicorn.tracebacks import user_traceback


def load_paste_application(location: str, raw_globals: list[str]) -> Application:
    """The application of FILE or FILE#SECTION."""
    try:
        deploy = importlib.import_module("paste.deploy")
    except ImportError as error:
        raise LoadError(
            f'Cannot load application "{location}": the package PasteDeploy is not installed',
            EXIT_WORKER_BOOT,
            "Install it into the application's environment: pip install PasteDeploy",
        ) from error
    variables = parse_globals(raw_globals)
    try:
        application: Application = deploy.loadapp(f"config:{location}", global_conf=variables)
    # Whatever the factories that the file names raise, SystemExit too, ends the boot with its traceback.
    except BaseException as error:
        failed = f'Cannot load application "{location}"'
        if _is_about_file(error):
            raise LoadError(f"{failed}: {error}", EXIT_APPLICATION_LOAD) from error
        raise LoadError(f"{failed}\n{user_traceback(error)}", EXIT_WORKER_BOOT) from error
    return application


def _is_about_file(error: BaseException) -> bool:
    """Whether PasteDeploy raised it itself: a section is missing, a variable is not set."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, Exception) and str(frames[-1]).startswith(("paste.deploy.", "configparser"))


def parse_globals(pairs: list[str]) -> dict[str, str]:
    r"""Variables of `key=value`; in a key an equals sign is written `\=`."""
    found = {}
    for pair in pairs:
        key, value = re.split(r"(?<!\\)=", pair, maxsplit=1)
        found[key.replace("\\=", "=")] = value.replace("\\=", "=")
    return found
