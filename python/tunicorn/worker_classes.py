"""The worker classes, by the names of the setting worker_class."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from tunicorn.workers.base import Worker

_SYNC: Final = ("tunicorn.workers.sync", "SyncWorker")
_GTHREAD: Final = ("tunicorn.workers.gthread", "GthreadWorker")
_GEVENT: Final = ("tunicorn.workers.gevent", "GeventWorker")
_GEVENT_WEBSOCKET: Final = ("tunicorn.workers.gevent_websocket", "GeventWebSocketWorker")
_EVENTLET: Final = ("tunicorn.workers.eventlet", "EventletWorker")
_TORNADO: Final = ("tunicorn.workers.tornado", "TornadoWorker")
_ASGI: Final = ("tunicorn.workers.asgi", "AsgiWorker")
_UVICORN: Final = ("tunicorn.workers.uvicorn", "UvicornWorker")
_UVICORN_H11: Final = ("tunicorn.workers.uvicorn", "UvicornH11Worker")

#: By each of their names; src/config/worker-class.ts has them too. uvicorn itself is never imported.
WORKER_CLASSES: Final = {
    "sync": _SYNC,
    "gunicorn.workers.sync.SyncWorker": _SYNC,
    "gthread": _GTHREAD,
    "gunicorn.workers.gthread.ThreadWorker": _GTHREAD,
    "gevent": _GEVENT,
    "gevent_wsgi": _GEVENT,
    "gevent_pywsgi": _GEVENT,
    "gunicorn.workers.ggevent.GeventWorker": _GEVENT,
    "gunicorn.workers.ggevent.GeventPyWSGIWorker": _GEVENT,
    "geventwebsocket.gunicorn.workers.GeventWebSocketWorker": _GEVENT_WEBSOCKET,
    "eventlet": _EVENTLET,
    "gunicorn.workers.geventlet.EventletWorker": _EVENTLET,
    "tornado": _TORNADO,
    "gunicorn.workers.gtornado.TornadoWorker": _TORNADO,
    "asgi": _ASGI,
    "gunicorn.workers.gasgi.ASGIWorker": _ASGI,
    "uvicorn.workers.UvicornWorker": _UVICORN,
    "uvicorn.workers.UvicornH11Worker": _UVICORN_H11,
    "uvicorn_worker.UvicornWorker": _UVICORN,
    "uvicorn_worker.UvicornH11Worker": _UVICORN_H11,
    "uvicorn_worker._workers.UvicornWorker": _UVICORN,
    "uvicorn_worker._workers.UvicornH11Worker": _UVICORN_H11,
}

#: Libraries that a class needs, and that need not be there: the module of each.
LIBRARIES: Final = {
    _GEVENT: "gevent",
    _GEVENT_WEBSOCKET: "geventwebsocket",
    _EVENTLET: "eventlet",
    _TORNADO: "tornado",
}

_GREENLETS: Final = (_GEVENT, _GEVENT_WEBSOCKET, _EVENTLET)

#: What pip knows a library by, where that is not the name of its module.
PACKAGES: Final = {"geventwebsocket": "gevent-websocket"}


def has_greenlets(name: str) -> bool:
    """Whether its workers call a WSGI application for many requests at a time, as with threads."""
    return WORKER_CLASSES[name] in _GREENLETS


def missing_library(name: str) -> str | None:
    """The library that a class needs and that is not installed."""
    library = LIBRARIES.get(WORKER_CLASSES[name])
    return library if library is not None and importlib.util.find_spec(library) is None else None


def find_worker_class(name: str, threads: int) -> type[Worker]:
    """The class of a name; several threads make sync gthread. The arbiter has refused other names."""
    found = WORKER_CLASSES[name]
    module_name, class_name = _GTHREAD if found == _SYNC and threads > 1 else found
    return cast("type[Worker]", getattr(importlib.import_module(module_name), class_name))
