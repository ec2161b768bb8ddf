"""Telling by which interface an application is called."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tunicorn.application import LoadError
from tunicorn.interface import Interface, check_interface, interface_of, to_asgi3
from werkzeug.wrappers import Request, Response


async def asgi3(scope: Any, receive: Any, send: Any) -> None:
    await send({"scope": scope})


def asgi3_without_async(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return asgi3(scope, receive, send)


class Asgi3Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi3(scope, receive, send)

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi3(scope, receive, send)


class Asgi2Class:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await send({"scope": self.scope})


def asgi2_function(scope: Any) -> Callable[..., Awaitable[None]]:
    return Asgi2Class(scope)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


class WsgiInstance:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...


def unclear(*arguments: Any) -> None: ...


@Request.application
def view(request: Request) -> Response:
    """As Werkzeug's tutorial has it: what the decorator returns is the application, and takes anything."""
    return Response("page")


def create_app(name: str) -> Any: ...


def make_app(name: str = "shop", debug: bool = False) -> Any: ...


def get_server() -> Any: ...


def app() -> Any: ...


@pytest.mark.parametrize(
    ("application", "interface"),
    [
        (asgi3, "asgi"),
        (asgi3_without_async, "asgi"),
        (Asgi3Instance(), "asgi"),
        (Asgi3Instance().method, "asgi"),
        (functools.partial(asgi3), "asgi"),
        (Asgi2Class, "asgi2"),
        (asgi2_function, "asgi2"),
        (wsgi, "wsgi"),
        (WsgiInstance(), "wsgi"),
        (WsgiClass, "wsgi"),
        (functools.partial(wsgi), "wsgi"),
    ],
)
def test_the_interface_is_told_by_how_an_application_can_be_called(application: Any, interface: str) -> None:
    assert interface_of(application) == interface


def wsgi_and_more(environ: Any, start_response: Any, encoding: str = "utf-8") -> None: ...


@pytest.mark.parametrize("application", [unclear, min, view, wsgi_and_more])
def test_what_could_be_anything_is_called_as_the_worker_class_wants(application: Any) -> None:
    check_interface(application, "asgi", "app:app", "asgi")
    check_interface(application, "wsgi", "app:app", "sync")


@pytest.mark.parametrize("application", [wsgi, WsgiInstance(), WsgiClass])
def test_a_wsgi_application_is_refused_by_the_asgi_class(application: Any) -> None:
    with pytest.raises(LoadError) as raised:
        check_interface(application, "asgi", "shop:app", "asgi")
    assert (
        'Cannot serve "shop:app" with the worker class asgi: it is a WSGI application' in raised.value.report
    )
    assert "-k sync" in raised.value.report


@pytest.mark.parametrize("application", [asgi3, Asgi3Instance(), Asgi2Class])
def test_an_asgi_application_is_refused_by_the_sync_class(application: Any) -> None:
    with pytest.raises(LoadError, match="it is an ASGI application") as raised:
        check_interface(application, "wsgi", "shop:app", "sync")
    assert "-k asgi" in raised.value.report


@pytest.mark.parametrize("application", [create_app, make_app, get_server, app])
@pytest.mark.parametrize("wanted", ["wsgi", "asgi"])
def test_a_factory_that_is_not_called_is_refused_with_a_hint(application: Any, wanted: Interface) -> None:
    with pytest.raises(LoadError, match="and no application") as raised:
        check_interface(application, wanted, f"shop:{application.__name__}", "sync")
    assert f"A factory is called: 'shop:{application.__name__}(" in raised.value.report


def test_what_a_factory_has_made_is_not_to_be_called_again() -> None:
    with pytest.raises(LoadError) as raised:
        check_interface(app, "wsgi", "shop:make_factory()", "sync")
    assert "A factory is called" not in raised.value.report


def test_an_application_of_tornado_may_be_a_function_that_takes_a_request() -> None:
    check_interface(create_app, "tornado", "shop:create_app", "tornado")


def test_an_application_of_asgi_2_is_called_in_two_steps() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any: ...

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}}
    for application in (Asgi2Class, asgi2_function):
        asyncio.run(to_asgi3(application)(scope, receive, send))  # type: ignore[arg-type]  # a part of a scope
    assert sent == [{"scope": {"type": "http", "asgi": {"version": "2.0", "spec_version": "2.3"}}}] * 2
