"""The configuration file: executed here, by the interpreter that runs the application."""

from __future__ import annotations

import contextlib
import difflib
import importlib.machinery
import importlib.util
import math
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from tunicorn.hooks import Hook, HookError, make_hook
from tunicorn.missing import MissingAttributeError
from tunicorn.server_field import changed_server_field
from tunicorn.tracebacks import user_traceback

CONFIG_MODULE: Final = "__config__"

Address = str | int | tuple[str, int]

DEFAULT_PORT: Final = 8000
#: Gunicorn's; it stands for the name of the application.
DEFAULT_PROC_NAME: Final = "gunicorn"

#: Attributes of Gunicorn's Config that have no counterpart here, and what to use.
INSTEAD: Final = {
    "set": "settings are fixed before hooks run; set them in the configuration file",
}

#: Gunicorn's section SSL.
SSL_NAMES: Final = (
    "keyfile",
    "certfile",
    "ssl_version",
    "cert_reqs",
    "ca_certs",
    "suppress_ragged_eofs",
    "do_handshake_on_connect",
    "ciphers",
)

#: How alike an unknown name must be to a setting's name to be taken for a slip of the pen.
NEAREST_CUTOFF: Final = 0.8


class ConfigFile(NamedTuple):
    """What a configuration file says."""

    #: Settings whose values can be told to the arbiter.
    values: dict[str, object]
    #: Hooks by name.
    hooks: dict[str, Hook]
    #: Unknown names that look like a slip, with the name that was probably meant.
    slips: dict[str, str]
    #: Settings and hooks that are only annotated, as in `workers: 4`, which sets nothing.
    annotated: list[str]
    #: The settings of `values` as the file has them, classes and objects among them.
    originals: dict[str, object]

    def told(self) -> dict[str, object]:
        """What the arbiter is told of it."""
        return {
            "values": self.values,
            "hooks": sorted(self.hooks),
            "slips": self.slips,
            "annotated": self.annotated,
        }


class ConfigError(Exception):
    """The configuration file cannot be used; the text is for the operator."""


def read_config_file(
    location: str, setting_names: list[str], hook_parameters: Mapping[str, list[str]]
) -> ConfigFile:
    """Runs a configuration file, given as PATH, file:PATH or python:MODULE."""
    try:
        namespace = _run(location)
    except ConfigError:
        raise
    # A configuration file may also end in SystemExit; whatever it raises is shown to the operator.
    except BaseException as error:
        raise ConfigError(f"Cannot run configuration file {location}:\n{user_traceback(error)}") from error
    return _sort(location, namespace, setting_names, hook_parameters)


def _run(location: str) -> dict[str, object]:
    if location.startswith("python:"):
        return _namespace(importlib.import_module(location.removeprefix("python:")))
    path = os.path.abspath(location.removeprefix("file:"))
    if os.path.isdir(path):
        raise ConfigError(f'Configuration file "{location}" is a folder; name the file in it')
    # Not only plain files: /dev/null is how one says that there is to be none.
    if not os.path.exists(path):
        raise ConfigError(f'Configuration file "{path}" does not exist\n  {_missing_file_hint(path)}')
    loader = importlib.machinery.SourceFileLoader(CONFIG_MODULE, path)
    spec = importlib.util.spec_from_file_location(CONFIG_MODULE, path, loader=loader)
    if spec is None:
        raise ConfigError(f'Configuration file "{location}" cannot be read as Python')
    module = importlib.util.module_from_spec(spec)
    sys.modules[CONFIG_MODULE] = module
    # Not through the loader: byte code that it kept may be of the same second and size.
    exec(compile(loader.get_data(path), path, "exec", dont_inherit=True), vars(module))
    return _namespace(module)


def _namespace(module: ModuleType) -> dict[str, object]:
    namespace = dict(vars(module))
    # Python 3.14 evaluates them only when they are asked for, and then they may name what is not there.
    with contextlib.suppress(Exception):
        namespace["__annotations__"] = module.__annotations__
    return namespace


def _missing_file_hint(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return f"{folder} is no folder that can be read"
    near = difflib.get_close_matches(name, [entry for entry in entries if entry.endswith(".py")], 1)
    if near:
        return f'There is "{near[0]}" in that folder. Did you mean it?'
    return "A relative path begins where tunicorn is called, whatever chdir says"


def _sort(
    location: str,
    namespace: Mapping[str, object],
    setting_names: list[str],
    hook_parameters: Mapping[str, list[str]],
) -> ConfigFile:
    values: dict[str, object] = {}
    hooks: dict[str, Hook] = {}
    slips: dict[str, str] = {}
    known = [*setting_names, *hook_parameters]
    # Capitals are often constants of the file's own, but not where it has nothing else.
    says_nothing = not any(name in known for name in namespace)
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        if name in hook_parameters:
            try:
                hooks[name] = make_hook(name, value, hook_parameters[name])
            except HookError as error:
                raise ConfigError(f"{location}: {error}") from error
        elif name in setting_names:
            values[name] = to_plain(value)
        elif not isinstance(value, ModuleType | type) and not callable(value):
            meant = name.lower() if says_nothing else name
            nearest = difflib.get_close_matches(meant, known, 1, NEAREST_CUTOFF)
            if nearest:
                slips[name] = nearest[0]
    annotations = namespace.get("__annotations__")
    names = annotations if isinstance(annotations, dict) else ()
    annotated = [name for name in names if name in known and name not in namespace]
    originals = {name: namespace[name] for name in values}
    server = changed_server_field()
    if server is not None and "server_header" in setting_names:
        values.setdefault("server_header", server)
    return ConfigFile(values, hooks, slips, annotated, originals)


def to_plain(value: object) -> object:
    """A value as JSON can carry it; a class becomes its dotted path."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value) if isinstance(value, os.PathLike) else repr(value)


class Config:
    """What hooks find as server.cfg and worker.cfg: every setting and hook as an attribute."""

    def __init__(
        self, settings: Mapping[str, object], hooks: Mapping[str, Hook], worker_class_str: str | None = None
    ) -> None:
        self.settings = dict(settings)
        self._worker_class_str = worker_class_str
        self._hooks = dict(hooks)

    def __getattr__(self, name: str) -> Any:
        # Not reached for attributes that exist. A copy is asked for some before it has any.
        if name in self.__dict__.get("settings", ()):
            return self.settings[name]
        if name in self.__dict__.get("_hooks", ()):
            return self._hooks[name]
        raise MissingAttributeError("cfg", name, INSTEAD, self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.settings]

    def hook(self, name: str) -> Hook | None:
        """The hook of that name, if the configuration file has one."""
        return self._hooks.get(name)

    @property
    def env(self) -> dict[str, str]:
        """raw_env as a mapping."""
        raw_env = self.settings.get("raw_env")
        pairs = (str(entry).partition("=") for entry in (raw_env if isinstance(raw_env, list) else []))
        return {name: value for name, _, value in pairs}

    @property
    def is_ssl(self) -> bool:
        """Whether clients speak TLS."""
        return bool(self.certfile or self.keyfile)

    @property
    def ssl_options(self) -> dict[str, object]:
        """The settings of Gunicorn's section SSL, by name."""
        return {name: self.settings[name] for name in SSL_NAMES if name in self.settings}

    @property
    def address(self) -> list[Address]:
        """The addresses to listen on, as Gunicorn gives them: (host, port), or the path of a unix socket."""
        bind = self.settings.get("bind")
        return [parse_address(str(entry)) for entry in bind] if isinstance(bind, list) else []

    @property
    def proc_name(self) -> str:
        """The name of the server: the one chosen, else that of the application."""
        fallback = self.settings.get("default_proc_name", DEFAULT_PROC_NAME)
        if fallback == DEFAULT_PROC_NAME:
            application = self.settings.get("paste") or self.settings.get("wsgi_app")
            fallback = application or DEFAULT_PROC_NAME
        return str(self.settings.get("proc_name") or fallback)

    @property
    def worker_class_str(self) -> str:
        """The worker class as it was named; of the user's own the setting has the known class below it."""
        return self._worker_class_str or str(self.worker_class)


def parse_address(written: str) -> Address:
    """A bind address, which the arbiter has checked."""
    if written.startswith("unix:"):
        return written.removeprefix("unix:").removeprefix("//")
    if written.startswith("fd://"):
        return int(written.removeprefix("fd://"))
    rest = written.removeprefix("tcp://")
    if rest.isdigit():
        return "0.0.0.0", int(rest)
    host, _, port = rest.rpartition(":") if ":" in rest and not rest.endswith("]") else (rest, "", "")
    return host.strip("[]").lower() or "0.0.0.0", int(port or DEFAULT_PORT)
