"""Hooks: functions of the configuration file that the server calls."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from tunicorn.tracebacks import user_traceback

if TYPE_CHECKING:
    from tunicorn.hook_objects import HookRequest, HookResponse
    from tunicorn.workers.base import Worker

Hook = Callable[..., object]

#: Gunicorn gave post_request further arguments over time and calls the older forms with fewer.
OPTIONAL_ARGUMENTS: Final = {"post_request": 2}


class HookError(Exception):
    """A hook that cannot be called, or one that raised; the text is for the operator."""


def make_hook(name: str, value: object, parameters: list[str]) -> Hook:
    """The hook that a configuration file gives as a function or as a dotted name. Raises HookError."""
    if isinstance(value, str):
        value = _import_hook(name, value)
    if not callable(value):
        raise HookError(f"The hook {name} must be a function, not {value!r}")
    hook = cast(Hook, value)
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        # Some functions that are written in C do not tell.
        return hook
    for count in range(len(parameters), len(parameters) - OPTIONAL_ARGUMENTS.get(name, 0) - 1, -1):
        if _takes(signature, parameters[:count]):
            return hook if count == len(parameters) else _shortened(hook, count)
    raise HookError(
        f"The hook {name} is called as {name}({', '.join(parameters)}), but it is defined as {signature}"
    )


def _import_hook(name: str, path: str) -> object:
    module_name, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        raise HookError(f"Cannot import the hook {name} = {path!r}: {error}") from error


def _takes(signature: inspect.Signature, arguments: list[str]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _shortened(hook: Hook, count: int) -> Hook:
    return lambda *arguments: hook(*arguments[:count])


def count_threads() -> int:
    """How many threads this process has of Python's. Without the module there is one."""
    threading = sys.modules.get("threading")
    return 1 if threading is None else int(threading.active_count())


def call_pre_request(hook: Hook, worker: Worker, request: HookRequest) -> None:
    """Raises HookError where the hook raised: the application is not called then."""
    try:
        hook(worker, request)
    except Exception as error:
        raise HookError("The hook pre_request raised; the request is answered with 500") from error


def call_post_request(
    hook: Hook,
    worker: Worker,
    request: HookRequest,
    environ: dict[str, Any],
    response: HookResponse | None,
) -> None:
    """What the hook raises is logged: the client has its answer."""
    try:
        hook(worker, request, environ, response)
    except Exception as error:
        worker.log.error("The hook post_request raised\n%s", user_traceback(error))
