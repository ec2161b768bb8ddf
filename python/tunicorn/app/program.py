"""A program that serves itself: where it is, and how the mold runs it again."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Final, NoReturn

#: In the environment of the server: what to run, as the first process was asked to.
VARIABLE: Final = "TUNICORN_PROGRAM"

_MAIN: Final = "__main__"

_is_run_again = False
#: What has called run() in a program that runs again.
_reached: object = None


class ProgramError(Exception):
    """The program cannot be run again; the text is for the operator."""


class RunReachedError(BaseException):
    """The program has come to its run(). No handler of its own is to take this for a fault."""


def is_run_again() -> bool:
    """Whether this is a mold, which asks the program what to serve."""
    return _is_run_again


def end_at_run(application: object) -> NoReturn:
    """Ends the program that runs again: `application` is what it would serve."""
    global _reached  # noqa: PLW0603 -- as _is_run_again
    _reached = application
    raise RunReachedError


def remember() -> None:
    """Writes down how this process was started, for the processes that come of it."""
    main = sys.modules[_MAIN]
    spec: ModuleSpec | None = main.__spec__
    file = getattr(main, "__file__", None)
    if spec is None and file is None:
        raise ProgramError("run() has to be called by a program in a file, which the mold can run again")
    # A folder is run as its file __main__.py.
    module = None if spec is None or spec.name == _MAIN else spec.name
    started = {"module": module, "file": file and os.path.abspath(file), "arguments": sys.argv}
    os.environ[VARIABLE] = json.dumps(started)


def run_again() -> object:
    """Runs the program in this process up to its run(). What called run() is the result."""
    global _is_run_again  # noqa: PLW0603 -- it is a fact of the process
    started = json.loads(os.environ.pop(VARIABLE))
    sys.argv = started["arguments"]
    main = ModuleType(_MAIN)
    file, module = started["file"], started["module"]
    code = _script(main, file) if module is None else _module(main, module)
    # It stays: what the program has defined is looked for there.
    sys.modules[_MAIN] = main
    _is_run_again = True
    try:
        exec(code, vars(main))
    except BaseException:
        # What comes after run() is how the program ends, which it does not here.
        if _reached is None:
            raise
    if _reached is None:
        raise ProgramError(f"{file} ended without a call of run()")
    return _reached


def _script(main: ModuleType, file: str) -> CodeType:
    sys.path.insert(0, os.path.dirname(os.path.realpath(file)))
    main.__file__ = file
    with open(file, "rb") as source:
        return compile(source.read(), file, "exec", dont_inherit=True)


def _module(main: ModuleType, name: str) -> CodeType:
    """python -m NAME."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ProgramError(f"The module {name} of the program cannot be found")
    main.__spec__, main.__file__, main.__package__ = spec, spec.origin, spec.parent
    assert isinstance(spec.loader, InspectLoader)
    code = spec.loader.get_code(name)
    assert code is not None
    return code
