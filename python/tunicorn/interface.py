"""Which interface an application is written for: WSGI (PEP 3333), ASGI 3, the older ASGI 2, or Tornado's."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, Literal, cast

from tunicorn.application import EXIT_APPLICATION_LOAD, Application, LoadError
from tunicorn.load_hints import is_factory_name, written_call

if TYPE_CHECKING:
    from tunicorn.asgi_types import AsgiApplication, Receive, Scope, Send

#: What a worker class calls its application by.
Interface = Literal["wsgi", "asgi", "tornado"]

#: By the number of arguments with which an application can be called.
_BY_ARGUMENTS: dict[int, Literal["asgi", "wsgi", "asgi2"]] = {3: "asgi", 2: "wsgi", 1: "asgi2"}

#: What applications and routers of Tornado derive from; by name, since Tornado need not be there.
_TORNADO_CLASS: Final = ("tornado.httputil", "HTTPServerConnectionDelegate")


def interface_of(application: Application) -> Literal["asgi", "wsgi", "asgi2", "tornado"] | None:
    """The interface by which an application can be called; None when that cannot be told."""
    if any((each.__module__, each.__name__) == _TORNADO_CLASS for each in type(application).__mro__):
        return "tornado"
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(type(application).__call__):
        return "asgi"
    signature = _signature_of(application)
    if signature is None or _takes_any_number(signature):
        # Takes whatever comes, as many wrappers do (wsgiref.validate).
        return None
    counts = _argument_counts(signature)
    # With environ and start_response it may take something more, and a third argument says nothing then.
    return None if counts in ([], [3, 2]) else _BY_ARGUMENTS[counts[0]]


def _argument_counts(signature: inspect.Signature) -> list[int]:
    """With how many arguments an application can be called, of those that there are."""
    return [count for count in _BY_ARGUMENTS if _takes(signature, count)]


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _signature_of(application: Application) -> inspect.Signature | None:
    """What it is called with, not what a function in it is: Werkzeug's Request.application wraps a view."""
    try:
        return inspect.signature(application, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


def _takes_any_number(signature: inspect.Signature) -> bool:
    return any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values())


def _check_no_factory(application: Application, wanted: Interface, spec: str) -> None:
    """Raises LoadError for a function that makes the application, by how it is called or by its name."""
    signature = _signature_of(application)
    if not inspect.isfunction(application) or signature is None or _takes_any_number(signature):
        return
    found = interface_of(application)
    needs_nothing = all(each.default is not each.empty for each in signature.parameters.values())
    # An application of Tornado may be a function that takes a request.
    is_like_one = needs_nothing or (found == "asgi2" and wanted != "tornado")
    if not _argument_counts(signature) or (is_like_one and is_factory_name(application.__name__)):
        call = written_call(spec.partition(":")[0], application)
        raise LoadError(
            f'Cannot serve "{spec}": it is a function with the parameters {signature}, and no application',
            EXIT_APPLICATION_LOAD,
            None if "(" in spec else f"A factory is called: {call}",
        )


def check_interface(application: Application, wanted: Interface, spec: str, worker_class: str) -> None:
    """Raises LoadError for an application that the worker class cannot call."""
    _check_no_factory(application, wanted, spec)
    found = interface_of(application)
    if found == "tornado" and wanted != "tornado":
        raise LoadError(
            f'Cannot serve "{spec}" with the worker class {worker_class}: it is an application of Tornado, '
            f"and this class calls {wanted.upper()} applications",
            EXIT_APPLICATION_LOAD,
            "Use -k tornado",
        )
    if wanted == "tornado" and found == "asgi":
        raise LoadError(
            f'Cannot serve "{spec}" with the worker class {worker_class}: it is an ASGI application, '
            "called with scope, receive and send, and this class serves applications of Tornado, and WSGI",
            EXIT_APPLICATION_LOAD,
            "Use -k asgi (or -k uvicorn.workers.UvicornWorker)",
        )
    if wanted == "asgi" and found == "wsgi":
        raise LoadError(
            f'Cannot serve "{spec}" with the worker class {worker_class}: it is a WSGI application, '
            "called with environ and start_response, and this class calls ASGI applications",
            EXIT_APPLICATION_LOAD,
            "Use -k sync, or wrap the application: asgiref.wsgi.WsgiToAsgi(app)",
        )
    if wanted == "wsgi" and found in ("asgi", "asgi2"):
        raise LoadError(
            f'Cannot serve "{spec}" with the worker class {worker_class}: it is an ASGI application, '
            "called with scope, receive and send, and this class calls WSGI applications",
            EXIT_APPLICATION_LOAD,
            "Use -k asgi (or -k uvicorn.workers.UvicornWorker)",
        )


def to_asgi3(application: Application) -> AsgiApplication:
    """The application as ASGI 3 calls it. One of ASGI 2 takes the scope first, and then the rest."""
    if interface_of(application) != "asgi2":
        return cast("AsgiApplication", application)

    async def adapted(scope: Scope, receive: Receive, send: Send) -> None:
        instance = application({**scope, "asgi": {**scope["asgi"], "version": "2.0"}})
        await instance(receive, send)

    return adapted
