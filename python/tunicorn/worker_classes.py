"""The worker classes, by the names of the setting worker_class."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from tunicorn.workers.base import Worker

_SYNC: Final = ("tunicorn.workers.sync", "SyncWorker")
_GTHREAD: Final = ("tunicorn.workers.gthread", "GthreadWorker")
_ASGI: Final = ("tunicorn.workers.asgi", "AsgiWorker")
_UVICORN: Final = ("tunicorn.workers.uvicorn", "UvicornWorker")
_UVICORN_H11: Final = ("tunicorn.workers.uvicorn", "UvicornH11Worker")

#: By each of their names; src/config/worker-class.ts has them too. uvicorn itself is never imported.
WORKER_CLASSES: Final = {
    "sync": _SYNC,
    "gunicorn.workers.sync.SyncWorker": _SYNC,
    "gthread": _GTHREAD,
    "gunicorn.workers.gthread.ThreadWorker": _GTHREAD,
    "asgi": _ASGI,
    "gunicorn.workers.gasgi.ASGIWorker": _ASGI,
    "uvicorn.workers.UvicornWorker": _UVICORN,
    "uvicorn.workers.UvicornH11Worker": _UVICORN_H11,
    "uvicorn_worker.UvicornWorker": _UVICORN,
    "uvicorn_worker.UvicornH11Worker": _UVICORN_H11,
    "uvicorn_worker._workers.UvicornWorker": _UVICORN,
    "uvicorn_worker._workers.UvicornH11Worker": _UVICORN_H11,
}


def find_worker_class(name: str, threads: int) -> type[Worker]:
    """The class of a name; several threads make sync gthread. The arbiter has refused other names."""
    found = WORKER_CLASSES[name]
    module_name, class_name = _GTHREAD if found == _SYNC and threads > 1 else found
    return cast("type[Worker]", getattr(importlib.import_module(module_name), class_name))
