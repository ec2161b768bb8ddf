"""Module names of Gunicorn and of uvicorn's worker, for code that derives from their classes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # The import system asks for methods, not for these classes, which bring a dozen modules of their own.
    Loader = MetaPathFinder = object

Names = Mapping[str, Mapping[str, str]]

#: What each module has, and where it is here. An installed Gunicorn goes before these.
MODULES: Final[Names] = {
    "gunicorn": {},
    "gunicorn.arbiter": {"Arbiter": "tunicorn.server:Server"},
    "gunicorn.config": {"Config": "tunicorn.config"},
    "gunicorn.glogging": {
        "Logger": "tunicorn.log",
        "SafeAtoms": "tunicorn.access_atoms",
        "CONFIG_DEFAULTS": "tunicorn.logging_config",
    },
    "gunicorn.http": {"Request": "tunicorn.hook_objects:HookRequest"},
    "gunicorn.http.message": {"Request": "tunicorn.hook_objects:HookRequest"},
    "gunicorn.http.wsgi": {
        "Response": "tunicorn.hook_objects:HookResponse",
        "SERVER": "tunicorn.gunicorn_names",
    },
    "gunicorn.instrument": {},
    "gunicorn.instrument.statsd": {"Statsd": "tunicorn.statsd:StatsdLogger"},
    "gunicorn.workers": {},
}

_UVICORN: Final = {
    "UvicornWorker": "tunicorn.workers.uvicorn",
    "UvicornH11Worker": "tunicorn.workers.uvicorn",
}

#: Worker classes. These go before installed ones, whose loops and sockets cannot work in a worker: a class of
#: the user's own that derives from one derives from ours.
WORKER_MODULES: Final[Names] = {
    "gunicorn.workers.base": {"Worker": "tunicorn.workers.base"},
    "gunicorn.workers.base_async": {"AsyncWorker": "tunicorn.workers.green:GreenWorker"},
    "gunicorn.workers.sync": {"SyncWorker": "tunicorn.workers.sync"},
    "gunicorn.workers.gthread": {"ThreadWorker": "tunicorn.workers.gthread:GthreadWorker"},
    "gunicorn.workers.ggevent": {
        "GeventWorker": "tunicorn.workers.gevent",
        "GeventPyWSGIWorker": "tunicorn.workers.gevent:GeventWorker",
    },
    "gunicorn.workers.geventlet": {"EventletWorker": "tunicorn.workers.eventlet"},
    "geventwebsocket.gunicorn.workers": {"GeventWebSocketWorker": "tunicorn.workers.gevent_websocket"},
    "gunicorn.workers.gtornado": {"TornadoWorker": "tunicorn.workers.tornado"},
    "gunicorn.workers.gasgi": {"ASGIWorker": "tunicorn.workers.asgi:AsgiWorker"},
    "uvicorn.workers": _UVICORN,
    "uvicorn_worker": _UVICORN,
    "uvicorn_worker._workers": _UVICORN,
}

#: Stands for an uvicorn that is not installed until the worker class is known: no application must find it.
_UVICORN_PARENT: Final[Names] = {"uvicorn": {}}

#: What the modules above say their version is: that whose interface they follow.
FOLLOWED_VERSION: Final = "27.0.1"
#: gunicorn.SERVER, until a configuration file says what the Server field is to say.
SERVER: Final = "gunicorn"


class _NamesFinder(MetaPathFinder):
    def __init__(self, modules: Names, *, goes_first: bool) -> None:
        self._modules = modules
        self._goes_first = goes_first

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._modules:
            return None
        parent = fullname.rpartition(".")[0]
        if parent and not self._goes_first and not _is_lent(parent):
            # It is the real one, and this part of it is missing.
            return None
        everything = (*MODULES, *WORKER_MODULES)
        is_package = any(name.startswith(f"{fullname}.") for name in everything)
        return ModuleSpec(fullname, _NamesLoader(self._modules[fullname]), is_package=is_package)


class _NamesLoader(Loader):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "gunicorn":
            module.__dict__["__version__"] = FOLLOWED_VERSION
            module.__dict__["SERVER"] = SERVER
            module.__dict__["SERVER_SOFTWARE"] = f"{SERVER}/{FOLLOWED_VERSION}"
            module.__dict__["version_info"] = tuple(int(part) for part in FOLLOWED_VERSION.split("."))
        for name, place in self._names.items():
            module_name, _, renamed = place.partition(":")
            setattr(module, name, getattr(importlib.import_module(module_name), renamed or name))


_FIRST: Final = _NamesFinder(WORKER_MODULES, goes_first=True)
_LAST: Final = _NamesFinder(MODULES, goes_first=False)
_UVICORN_LAST: Final = _NamesFinder(_UVICORN_PARENT, goes_first=False)


def _is_lent(name: str) -> bool:
    return isinstance(getattr(sys.modules.get(name), "__loader__", None), _NamesLoader)


def lent_name(worker_class: type) -> str:
    """The name by which a class was imported: of ours the one that it stands for."""
    place = (worker_class.__module__, worker_class.__qualname__)
    for module, names in WORKER_MODULES.items():
        for name, where in names.items():
            ours, _, renamed = where.partition(":")
            if (ours, renamed or name) == place:
                return f"{module}.{name}"
    return ".".join(place)


def lend_names() -> None:
    """Lets imports of these names find what stands for them here."""
    if _FIRST not in sys.meta_path:
        sys.meta_path.insert(0, _FIRST)
        sys.meta_path += (_UVICORN_LAST, _LAST)


def take_back_uvicorn() -> None:
    """No class will be derived any more: an uvicorn that is not installed is not to be found from now on."""
    if _UVICORN_LAST in sys.meta_path:
        sys.meta_path.remove(_UVICORN_LAST)
    if _is_lent("uvicorn"):
        del sys.modules["uvicorn"]
