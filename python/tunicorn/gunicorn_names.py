"""Gunicorn's module names, for code that derives from its classes where Gunicorn is not installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

#: What each module has, and where it is here.
MODULES: Final[Mapping[str, Mapping[str, str]]] = {
    "gunicorn": {},
    "gunicorn.glogging": {
        "Logger": "tunicorn.log",
        "SafeAtoms": "tunicorn.access_atoms",
        "CONFIG_DEFAULTS": "tunicorn.logging_config",
    },
    "gunicorn.instrument": {},
    "gunicorn.instrument.statsd": {"Statsd": "tunicorn.statsd.StatsdLogger"},
}

#: What the modules above say their version is: that whose interface they follow.
FOLLOWED_VERSION: Final = "26.2.0"


class _NamesFinder(MetaPathFinder):
    """Comes after all other finders, so that an installed Gunicorn goes before it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        parent = fullname.rpartition(".")[0]
        if parent and not isinstance(getattr(sys.modules.get(parent), "__loader__", None), _NamesLoader):
            # It is the real one, and this part of it is missing.
            return None
        is_package = any(name.startswith(f"{fullname}.") for name in MODULES)
        return ModuleSpec(fullname, _NamesLoader(), is_package=is_package)


class _NamesLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "gunicorn":
            module.__dict__["__version__"] = FOLLOWED_VERSION
            module.__dict__["version_info"] = tuple(int(part) for part in FOLLOWED_VERSION.split("."))
        for name, place in MODULES[module.__name__].items():
            module_name, _, renamed = place.partition(".")[2].partition(".")
            found = importlib.import_module(f"tunicorn.{module_name}")
            setattr(module, name, getattr(found, renamed or name))


def lend_names() -> None:
    """Lets imports of Gunicorn's names find what stands for them here."""
    if not any(isinstance(finder, _NamesFinder) for finder in sys.meta_path):
        sys.meta_path.append(_NamesFinder())
