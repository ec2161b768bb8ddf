"""environ["gunicorn.socket"]: from its use by an application to the frames and bytes that the router gets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tunicorn.file_wrapper import FileWrapper

from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.gateway import Application, Gateway, answering, only_response
from tests.helpers.router import (
    BODY,
    END,
    ENVIRON,
    FAILED,
    HEADER,
    INTERIM,
    JOIN,
    RESPONSE,
    TUNNEL,
    Received,
    kinds_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse

NUMBER = 0x0102_0304


class Router:
    """Where the worker dials."""

    def __init__(self, listener: socket.socket, gateway: Gateway) -> None:
        listener.settimeout(DEADLINE_SECONDS)
        self._listener = listener
        self._gateway = gateway

    @property
    def is_dialled(self) -> bool:
        self._listener.setblocking(False)
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def call(self, application: Application) -> list[Received]:
        """The frames that answer a request which may become a tunnel."""
        return self._gateway.call(application, {"tunicorn.tunnel": str(NUMBER)})

    def accept(self) -> socket.socket:
        """The connection that was dialled, behind its JOIN."""
        connection, _ = self._listener.accept()
        connection.settimeout(DEADLINE_SECONDS)
        assert HEADER.unpack(connection.recv(HEADER.size)) == (0, JOIN, 0, 0, NUMBER)
        return connection

    def rest(self) -> bytes:
        """Everything that came over it, which has ended."""
        with self.accept() as connection:
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def router(gateway: Gateway, short_folder: Path) -> Iterator[Router]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        gateway.path = str(short_folder / "router")
        listener.bind(gateway.path)
        listener.listen()
        yield Router(listener, gateway)


def using(use: Any, result: Any = (), *, starts: bool = False) -> Application:
    """An application that uses its socket and returns the result, or raises it."""

    def application(environ: Environ, start_response: StartResponse) -> Any:
        use(environ["gunicorn.socket"])
        if starts:
            start_response("200 OK", [("Content-Type", "text/plain")])
        if isinstance(result, Exception):
            raise result
        return result

    return application


def greet(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 101 Go\r\n\r\n")


class TestWithoutUse:
    def test_the_application_answers_as_usual(self, router: Router) -> None:
        frames = router.call(answering([b"no"], "426 Upgrade Required"))
        assert only_response(frames).status == 426
        assert not router.is_dialled

    def test_an_ordinary_request_has_no_socket(self, gateway: Gateway) -> None:
        seen: list[bool] = []

        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            seen.append(any("socket" in name or "tunnel" in name for name in environ))
            start_response("200 OK", [])
            return []

        gateway.call(application)
        assert seen == [False]

    def test_what_tells_of_the_socket_or_prepares_it_is_no_use(self, router: Router) -> None:
        def look(connection: Any) -> None:
            client = (ENVIRON["REMOTE_ADDR"], int(ENVIRON["REMOTE_PORT"]))
            assert connection.getpeername() == client
            assert connection.getsockname() == (ENVIRON["SERVER_NAME"], int(ENVIRON["SERVER_PORT"]))
            assert repr(connection) == f"<TunnelSocket to {client}, not used>"
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(3)
            assert connection.gettimeout() == 3
            assert connection.family == socket.AF_UNIX
            with pytest.raises(AttributeError):
                connection.__length_hint__()

        assert only_response(router.call(using(look, [b"yes"], starts=True))).body == b"yes"
        assert not router.is_dialled

    def test_stop_iteration_is_an_error_like_any_other(self, router: Router, gateway: Gateway) -> None:
        assert kinds_of(router.call(using(repr, StopIteration()))) == [FAILED]
        assert "StopIteration" in gateway.log

    def test_it_is_closed_when_the_application_has_returned(self, router: Router) -> None:
        kept: list[Any] = []
        router.call(using(kept.append, [b"yes"], starts=True))
        assert "closed" in repr(kept[0])
        with pytest.raises(OSError, match="the connection is closed"):
            kept[0].send(b"late")


class TestUse:
    @pytest.mark.parametrize(
        "result",
        [
            pytest.param([], id="nothing, as eventlet's WebSockets return"),
            pytest.param([b"dropped"], id="a body without a head"),
            pytest.param(iter([b"drop", b"ped"]), id="pieces without a head"),
            pytest.param(StopIteration(), id="StopIteration, as Flask-Sock raises"),
            pytest.param(BrokenPipeError(), id="a client that has left"),
        ],
    )
    def test_it_makes_a_tunnel_and_nothing_else_is_answered(
        self, router: Router, gateway: Gateway, result: Any
    ) -> None:
        frames = router.call(using(greet, result))
        assert [(sent.kind, sent.flags, sent.aux, sent.payload) for sent in frames] == [
            (TUNNEL, 0, 0, b""),
            (BODY, END, 0, b""),
        ]
        assert router.rest() == b"HTTP/1.1 101 Go\r\n\r\n"
        assert gateway.log == ""
        assert gateway.is_after_sent is False

    def test_a_response_behind_it_is_dropped(self, router: Router, tmp_path: Path) -> None:
        assert kinds_of(router.call(using(greet, [b"dropped"], starts=True))) == [TUNNEL, BODY]
        assert kinds_of(router.call(using(greet, iter([b"drop", b"ped"]), starts=True))) == [TUNNEL, BODY]
        path = tmp_path / "file"
        path.write_bytes(b"dropped")
        with path.open("rb") as file:
            assert kinds_of(router.call(using(greet, FileWrapper(file), starts=True))) == [TUNNEL, BODY]

        def hinting(environ: Environ, _start_response: StartResponse) -> list[bytes]:
            environ["wsgi.early_hints"]([("Link", "</before>")])
            greet(environ["gunicorn.socket"])
            environ["wsgi.early_hints"]([("Link", "</behind>")])
            return []

        assert kinds_of(router.call(hinting)) == [INTERIM, TUNNEL, BODY]

    def test_it_is_too_late_once_the_response_has_begun(self, router: Router, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])(b"begun")
            greet(environ["gunicorn.socket"])
            return []

        assert kinds_of(router.call(application)) == [RESPONSE, FAILED]
        assert "the response has begun" in gateway.log

    def test_an_application_that_raises_has_failed(self, router: Router, gateway: Gateway) -> None:
        assert kinds_of(router.call(using(greet, RuntimeError("of the application")))) == [TUNNEL, FAILED]
        assert router.rest() == b"HTTP/1.1 101 Go\r\n\r\n"
        assert "of the application" in gateway.log

    def test_a_router_that_cannot_be_dialled_is_told_nothing(self, router: Router, gateway: Gateway) -> None:
        os.unlink(gateway.path)
        assert kinds_of(router.call(using(greet))) == [FAILED]
        assert "FileNotFoundError" in gateway.log

    def test_it_waits_for_as_long_as_it_takes_unless_it_is_told_otherwise(self, router: Router) -> None:
        timeouts: list[float | None] = []

        def use(connection: Any) -> None:
            greet(connection)
            timeouts.append(connection.gettimeout())

        def hurry(connection: Any) -> None:
            connection.settimeout(0)
            greet(connection)
            timeouts.append(connection.gettimeout())

        socket.setdefaulttimeout(7)
        try:
            router.call(using(use))
        finally:
            socket.setdefaulttimeout(None)
        router.call(using(hurry))
        assert timeouts == [None, 0]

    def test_another_thread_that_reads_it_has_a_last_word(self, router: Router) -> None:
        threads: list[threading.Thread] = []

        def use(connection: Any) -> None:
            greet(connection)

            def answer_last() -> None:
                connection.sendall(b"closed by " + connection.recv(3))
                connection.close()

            is_reading = threading.Event()

            def read() -> None:
                assert connection.getblocking()
                connection.sendall(b"")
                is_reading.set()
                answer_last()

            threads.append(threading.Thread(target=read))
            threads[0].start()
            assert is_reading.wait(DEADLINE_SECONDS)

        assert kinds_of(router.call(using(use))) == [TUNNEL, BODY]
        with router.accept() as connection:
            connection.sendall(b"you")
            threads[0].join(DEADLINE_SECONDS)
            assert connection.recv(100) == b"HTTP/1.1 101 Go\r\n\r\nclosed by you"
            assert connection.recv(100) == b""
