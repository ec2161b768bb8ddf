"""The configuration file: executed here, by the interpreter that runs the application."""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple, cast

Hook = Callable[..., object]

CONFIG_MODULE: Final = "__config__"

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


class ConfigError(Exception):
    """The configuration file cannot be used; the text is for the operator."""


def read_config_file(location: str, setting_names: list[str], hook_names: list[str]) -> ConfigFile:
    """Runs a configuration file, given as PATH, file:PATH or python:MODULE."""
    try:
        namespace = _run(location)
    except ConfigError:
        raise
    # A configuration file may also end in SystemExit; whatever it raises is shown to the operator.
    except BaseException as error:
        raise ConfigError(f"Cannot run configuration file {location}:\n{_own_traceback(error)}") from error
    return _sort(namespace, setting_names, hook_names)


def _run(location: str) -> dict[str, object]:
    if location.startswith("python:"):
        return dict(vars(importlib.import_module(location.removeprefix("python:"))))
    path = os.path.abspath(location.removeprefix("file:"))
    if not os.path.isfile(path):
        raise ConfigError(f'Configuration file "{location}" does not exist (looked for {path})')
    loader = importlib.machinery.SourceFileLoader(CONFIG_MODULE, path)
    spec = importlib.util.spec_from_file_location(CONFIG_MODULE, path, loader=loader)
    if spec is None:
        raise ConfigError(f'Configuration file "{location}" cannot be read as Python')
    module = importlib.util.module_from_spec(spec)
    sys.modules[CONFIG_MODULE] = module
    # Not through the loader: byte code that it kept may be of the same second and size.
    exec(compile(loader.get_data(path), path, "exec"), vars(module))
    return dict(vars(module))


def _own_traceback(error: BaseException) -> str:
    """The traceback without the frames above the configuration file."""
    summary = traceback.TracebackException.from_exception(error)
    kept = [
        entry
        for entry in summary.stack
        if entry.filename not in (__file__, importlib.__file__)
        and not entry.filename.startswith("<frozen importlib")
    ]
    summary.stack = traceback.StackSummary.from_list(kept)
    return "".join(summary.format()).rstrip()


def _sort(namespace: Mapping[str, object], setting_names: list[str], hook_names: list[str]) -> ConfigFile:
    values: dict[str, object] = {}
    hooks: dict[str, Hook] = {}
    slips: dict[str, str] = {}
    known = [*setting_names, *hook_names]
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        if name in hook_names:
            hooks[name] = _check_hook(name, value)
        elif name in setting_names:
            values[name] = to_plain(value)
        elif not isinstance(value, ModuleType | type) and not callable(value):
            nearest = difflib.get_close_matches(name, known, 1, NEAREST_CUTOFF)
            if nearest:
                slips[name] = nearest[0]
    return ConfigFile(values, hooks, slips)


def _check_hook(name: str, value: object) -> Hook:
    if isinstance(value, str):
        module_name, _, attribute = value.rpartition(".")
        try:
            value = getattr(importlib.import_module(module_name), attribute)
        except Exception as error:
            raise ConfigError(f"Cannot import the hook {name} = {value!r}: {error}") from error
    if not callable(value):
        raise ConfigError(f"The hook {name} must be a function, not {value!r}")
    return cast(Hook, value)


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

    def __init__(self, settings: Mapping[str, object], hooks: Mapping[str, Hook]) -> None:
        self.settings = dict(settings)
        self._hooks = dict(hooks)

    def __getattr__(self, name: str) -> Any:
        # Not reached for attributes that exist; dunder names are asked for by copy and pickle.
        if not name.startswith("_"):
            if name in self.settings:
                return self.settings[name]
            if name in self._hooks:
                return self._hooks[name]
        raise AttributeError(f"tunicorn has no setting {name!r}")

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
    def address(self) -> list[str]:
        """The addresses that the server listens on."""
        bind = self.settings.get("bind")
        return [str(entry) for entry in bind] if isinstance(bind, list) else []
