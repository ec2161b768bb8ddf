"""Worker classes of the user's own: finding one, and what of it can be honoured."""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tunicorn.config import to_plain
from tunicorn.gunicorn_names import lent_name
from tunicorn.tracebacks import user_traceback
from tunicorn.worker_classes import WORKER_CLASSES

if TYPE_CHECKING:
    from tunicorn.workers.base import Worker

#: Where installed packages name worker classes for Gunicorn, for `egg:PACKAGE#NAME`.
ENTRY_POINT_GROUP: Final = "gunicorn.workers"

#: Where our classes and those that they build on are.
_OWN_PACKAGE: Final = "tunicorn."

_HTTP: Final = (
    "the router speaks HTTP, and calls no such method",
    "Let a middleware around the application do it, or the hooks pre_request and post_request",
)
_SOCKETS: Final = (
    "the router holds the sockets, and gives the worker whole requests",
    "Take the method out; what is to happen when the worker starts goes into init_process() or run()",
)

#: Methods of Gunicorn's and uvicorn's workers that cannot be honoured: why, and what to do.
REFUSED: Final = {
    "handle": _HTTP,
    "handle_request": _HTTP,
    "handle_error": _HTTP,
    "finish_request": _HTTP,
    "accept": _SOCKETS,
    "enqueue_req": _SOCKETS,
    "on_client_socket_readable": _SOCKETS,
    "run_for_one": _SOCKETS,
    "run_for_multiple": _SOCKETS,
    "_serve": _SOCKETS,
}

_TIMED: Final = "the router sees by itself whether the worker is alive"
_THREADS: Final = "the worker makes its threads by itself"

#: Methods that are never called, and are not missed.
IGNORED: Final = {
    "callback_notify": _TIMED,
    "timeout_ctx": _TIMED,
    "watchdog": _TIMED,
    "heartbeat": _TIMED,
    "is_parent_alive": _TIMED,
    "notify": _TIMED,
    "wait": _TIMED,
    "murder_keepalived": "the router keeps idle connections",
    "get_thread_pool": _THREADS,
    "_install_sigquit_handler": "QUIT is handled by handle_quit()",
}


class WorkerClassError(Exception):
    """The class cannot be used; the text is for the operator."""


class OwnWorkerClass(NamedTuple):
    """A class that was found."""

    worker_class: type[Worker]
    #: The name of the known class that it derives from, or is.
    base: str
    #: uvicorn's options that it sets, as JSON carries them.
    kwargs: object
    #: What of it has no effect, in lines for the log.
    warnings: list[str]


def find_own_worker_class(name: str) -> OwnWorkerClass:
    """The class of a dotted path, or of `egg:PACKAGE#NAME`. Raises WorkerClassError."""
    found = _load(name)
    if not isinstance(found, type):
        raise WorkerClassError(f'The worker class "{name}" is {found!r}, want a class')
    base = _base_of(name, found)
    overridden = _overridden(found)
    for method, (reason, advice) in REFUSED.items():
        if method in overridden:
            raise WorkerClassError(
                f'The worker class "{name}" overrides {method}(), which cannot be honoured: {reason}\n'
                f"  {advice}"
            )
    warnings = [
        f"{method}() of the worker class {name} is not called: {reason}"
        for method, reason in IGNORED.items()
        if method in overridden
    ]
    _set_up(name, found)
    kwargs = to_plain(getattr(found, "CONFIG_KWARGS", {}))
    # Of what is changed from here on, the workers tell.
    worker_class: Any = found
    worker_class._kwargs_read = kwargs
    return OwnWorkerClass(found, base, kwargs, warnings)


def _set_up(name: str, found: type) -> None:
    """Gunicorn calls this method of a class that has one, once and before the forks."""
    set_up = getattr(found, "setup", None)
    if set_up is None:
        return
    try:
        set_up()
    except Exception as error:
        raise WorkerClassError(
            f'setup() of the worker class "{name}" raised\n{user_traceback(error)}'
        ) from error


def _load(name: str) -> object:
    """Runs the user's module; whatever it raises is shown to the operator."""
    module_name, _, attribute = name.rpartition(".")
    try:
        if name.startswith("egg:"):
            return _entry_point(name.removeprefix("egg:"))
        module = importlib.import_module(module_name)
    except WorkerClassError:
        raise
    except BaseException as error:
        report = user_traceback(error) + _import_hint(name, error)
        raise WorkerClassError(f'Cannot import the worker class "{name}"\n{report}') from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise WorkerClassError(
            f'The worker class "{name}" is not there: the module "{module_name}" has no "{attribute}"'
        ) from error


def _import_hint(name: str, error: BaseException) -> str:
    """What to do, on a line of its own."""
    near = difflib.get_close_matches(name, WORKER_CLASSES, 1)
    if near:
        return f"\n  Did you mean {near[0]}?"
    if not isinstance(error, ModuleNotFoundError):
        return ""
    return f"\n  It is imported in {sys.executable}: install it there, or choose another class, such as sync"


def _entry_point(text: str) -> object:
    import importlib.metadata  # noqa: PLC0415 -- with all that it needs it takes longer than all of us

    package, _, name = text.partition("#")
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise WorkerClassError(f'The package "{package}" of a worker class is not installed') from error
    for point in distribution.entry_points.select(group=ENTRY_POINT_GROUP):
        if point.name == (name or "sync"):
            return point.load()
    raise WorkerClassError(f'The package "{package}" names no worker class "{name}" in {ENTRY_POINT_GROUP}')


def _base_of(name: str, found: type) -> str:
    known = {place: alias for alias, place in reversed(WORKER_CLASSES.items())}
    for each in found.__mro__:
        alias = known.get((each.__module__, each.__qualname__))
        if alias is not None:
            return alias
    bases = ", ".join(lent_name(each) for each in found.__bases__)
    raise WorkerClassError(
        f'The worker class "{name}" derives from {bases}, and from no worker class that there is here\n'
        "  Derive it from one that says how requests are handled, such as gunicorn.workers.sync.SyncWorker, "
        "gunicorn.workers.gthread.ThreadWorker or uvicorn_worker.UvicornWorker. One that reads sockets by "
        "itself, as those of aiohttp do, cannot work behind a router: its application needs its own server"
    )


def _overridden(found: type) -> set[str]:
    """Names of what the user's classes define, not ours."""
    own = [
        each for each in found.__mro__ if each is not object and not each.__module__.startswith(_OWN_PACKAGE)
    ]
    return {name for each in own for name in vars(each)}
