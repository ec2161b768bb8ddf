"""The class of a program that serves itself: it says its settings and its application, and calls run()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunicorn.app import program
from tunicorn.gunicorn_names import lend_names
from tunicorn.launcher import become_node
from tunicorn.standard_streams import flush_standard_streams

# As in the mold: a program may derive its logger class from Gunicorn's where Gunicorn is not installed.
lend_names()


class ProgramSettings(dict[str, object]):
    """The settings that a program has set, by name."""

    def __contains__(self, name: object) -> bool:
        # Programs ask whether Gunicorn knows a name before they set it. Which names there are the arbiter
        # knows: it leaves the others alone, and warns of those that look like a slip.
        return isinstance(name, str)


class ProgramConfig:
    """What a program has as `cfg`."""

    def __init__(self) -> None:
        self.settings = ProgramSettings()

    def set(self, name: str, value: object) -> None:
        """Takes the value of a setting, or a hook. The start tells whether it is a good one."""
        self.settings[name.lower()] = value

    def __getattr__(self, name: str) -> object:
        # Not reached for attributes that exist. A copy is asked for some before it has any.
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(f"tunicorn's cfg has {name!r} only where the program has set it") from None


class BaseApplication:
    """To be derived from, with `load_config` and `load`, as from Gunicorn's class of this name."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog
        self.cfg = ProgramConfig()
        self.callable: Callable[..., Any] | None = None
        self.load_config()

    def load_config(self) -> None:
        """Sets what is to hold: `self.cfg.set(name, value)`."""
        raise NotImplementedError

    def load(self) -> Callable[..., Any]:
        """Makes the application. The workers call it, or the mold when it is to be preloaded."""
        raise NotImplementedError

    def wsgi(self) -> Callable[..., Any]:
        """The application, made once in each process."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self) -> None:
        """Serves. This process becomes the arbiter; the mold runs the program once more, up to this call."""
        if program.is_run_again():
            program.end_at_run(self)
        program.remember()
        flush_standard_streams()
        become_node(["--config", "python:tunicorn.app.served"])
