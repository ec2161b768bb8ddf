"""What the access log shows of the environ as the application left it, such as its REMOTE_USER."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import is_
from typing import TYPE_CHECKING, Any, Final

from tunicorn.logger_class import OWN_NAMES

if TYPE_CHECKING:
    from tunicorn.config import Config

#: The entries that an atom shows.
ATOM_ENTRIES: Final = {
    "h": ("REMOTE_ADDR",),
    "r": ("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL"),
    "m": ("REQUEST_METHOD",),
    "U": ("PATH_INFO",),
    "q": ("QUERY_STRING",),
    "H": ("SERVER_PROTOCOL",),
}

_ATOM: Final = re.compile(r"%\((?:\{([^)]*)\}e|([hrmUqH]))\)")

#: Stands for every entry: handlers and loggers of the user's own may ask for any.
EVERYTHING: Final = "*"


def watched_entries(cfg: Config) -> tuple[str, ...]:
    """The environ entries of which the access log shows what the application made of them."""
    settings = cfg.settings
    if any(settings.get(name) for name in ("logconfig", "logconfig_dict", "logconfig_json")):
        return (EVERYTHING,)
    if settings.get("logger_class", "simple") not in OWN_NAMES:
        return (EVERYTHING,)
    if settings.get("accesslog") is None and not settings.get("syslog"):
        return ()
    names: list[str] = []
    if settings.get("access_log_json"):
        names += [name for entries in ATOM_ENTRIES.values() for name in entries]
    for entry, atom in _ATOM.findall(str(settings.get("access_log_format", ""))):
        # Gunicorn finds entries in any case; those of CGI are in upper case.
        names += [entry, entry.upper()] if entry else ATOM_ENTRIES[atom]
    return tuple(dict.fromkeys(names))


class EnvironWatch:
    """The watched entries of one request."""

    __slots__ = ("_before", "_environ", "_watched")

    def __init__(self, watched: tuple[str, ...], environ: Mapping[str, Any]) -> None:
        self._watched = watched
        self._environ = environ
        #: Before the application was called: all entries, or the values of those that are watched.
        self._before = dict(environ) if watched == (EVERYTHING,) else list(map(environ.get, watched))

    def changes(self) -> bytes:
        """`NAME NUL value`, joined by NUL, for what is no longer as it was before."""
        environ, before = self._environ, self._before
        if isinstance(before, list):
            # Mostly nothing is.
            if all(map(is_, map(environ.get, self._watched), before)):
                return b""
            before = dict(zip(self._watched, before, strict=True))
            names: Iterable[str] = self._watched
        else:
            names = environ
        parts = []
        for name in names:
            value = environ.get(name)
            if value is before.get(name) or value is None or not isinstance(value, str | int | float):
                continue
            if (text := str(value)) != before.get(name) and "\0" not in text:
                parts += [name, text]
        return "\0".join(parts).encode(errors="replace")
