"""The WSGI gateway: what may go wrong in an application, and around it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.alarm import alarm_when_sent
from tests.helpers.gateway import Body, Gateway, answering, only_response
from tests.helpers.router import (
    BODY,
    END,
    FAILED,
    HEADER,
    LAST,
    RESPONSE,
    TAKES_MORE,
    body_of,
    kinds_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse

#: More than sockets hold.
LARGE_BYTES = 8 * 1024 * 1024


class TestWrongResults:
    @pytest.mark.parametrize(
        ("make_result", "message"),
        [
            pytest.param(lambda: ["text"], "expected a bytes-like object, str found", id="list of text"),
            pytest.param(lambda: [b"x", None], "expected a bytes-like object", id="list with None"),
            pytest.param(lambda: iter(["text"]), "must yield bytes, not str", id="iterator of text"),
            pytest.param(lambda: iter([7]), "must yield bytes, not int", id="iterator of numbers"),
            pytest.param(lambda: iter([bytearray(b"x")]), "must yield bytes, not bytearray", id="bytearray"),
            pytest.param(lambda: "text", "must yield bytes, not str", id="text"),
            pytest.param(lambda: b"bytes", "must yield bytes, not int", id="bytes outside of a list"),
            pytest.param(lambda: None, "'NoneType' object is not iterable", id="None"),
            pytest.param(lambda: 7, "'int' object is not iterable", id="number"),
        ],
    )
    def test_a_result_that_pep_3333_does_not_allow_is_an_error(
        self, gateway: Gateway, make_result: Callable[[], Any], message: str
    ) -> None:
        frames = gateway.call(answering(make_result()))
        assert kinds_of(frames) == [FAILED]
        assert message in gateway.log

    def test_text_that_is_written_is_an_error(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])("text")  # type: ignore[arg-type]  # which is the point
            return []

        assert kinds_of(gateway.call(application)) == [FAILED]
        assert "must yield bytes, not str" in gateway.log

    def test_text_after_bytes_cuts_the_answer(self, gateway: Gateway) -> None:
        assert kinds_of(gateway.call(answering(iter([b"x", "text"])))) == [RESPONSE, FAILED]


class TestErrors:
    def test_an_application_that_raises_has_failed(self, gateway: Gateway) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise ValueError("of the application")

        frames = gateway.call(application)
        assert [(received.kind, received.flags, received.stream) for received in frames] == [
            (FAILED, END | TAKES_MORE, 1)
        ]
        assert gateway.is_after_sent is True

    def test_an_application_that_raises_is_logged_with_request_and_traceback(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            raise ValueError("of the application")

        assert kinds_of(gateway.call(application, {"REQUEST_METHOD": "POST"})) == [FAILED]
        assert (
            " [ERROR] Error handling request POST /shop?page=2\nTraceback (most recent call last):\n"
            in gateway.log
        )
        assert gateway.log.endswith("ValueError: of the application\n")

    def test_an_iterable_that_raises_first_has_failed(self, gateway: Gateway) -> None:
        assert kinds_of(gateway.call(answering(Body(ValueError("first"))))) == [FAILED]

    def test_an_iterable_that_raises_in_the_middle_has_failed_after_its_head(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(Body(b"one", b"two", ValueError("third"))))
        assert kinds_of(frames) == [RESPONSE, BODY, FAILED]
        assert frames[-1].flags == END | TAKES_MORE
        assert body_of(frames) == b"onetwo"

    def test_the_last_request_of_a_worker_says_so_when_it_fails(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(Body(ValueError("first"))), after=TAKES_MORE | LAST)
        assert frames[0].flags == END | TAKES_MORE | LAST

    def test_a_connection_error_of_the_applications_own_is_like_any_other(self, gateway: Gateway) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise ConnectionRefusedError("no database")

        assert kinds_of(gateway.call(application)) == [FAILED]
        assert "ConnectionRefusedError: no database" in gateway.log

    def test_an_application_that_empties_its_environ_and_raises_has_failed(self, gateway: Gateway) -> None:
        # PEP 3333: the application may modify the environ in any way it desires.
        def application(environ: Environ, _start_response: StartResponse) -> list[bytes]:
            environ.clear()
            raise ValueError("of the application")

        assert kinds_of(gateway.call(application)) == [FAILED]
        assert "ValueError: of the application" in gateway.log

    def test_the_log_names_the_request_as_it_came(self, gateway: Gateway) -> None:
        # Method override and mounting are done by middleware that changes the environ.
        def application(environ: Environ, _start_response: StartResponse) -> list[bytes]:
            environ["REQUEST_METHOD"] = "DELETE"
            environ["RAW_URI"] = "/elsewhere"
            raise ValueError("of the application")

        gateway.call(application)
        assert "Error handling request GET /shop?page=2\n" in gateway.log

    def test_the_next_request_is_answered_after_an_error(self, gateway: Gateway) -> None:
        gateway.call(answering(Body(ValueError("first"))))
        assert only_response(gateway.call(answering([b"x"]), stream=2)).body == b"x"

    def test_what_ends_the_worker_is_told_to_the_client_first(self, gateway: Gateway) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            gateway.handle(application)
        frames = gateway.router.received()
        assert [(received.kind, received.flags) for received in frames] == [(FAILED, END | LAST)]

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), CancelledError()], ids=repr)
    def test_whatever_else_is_raised_ends_no_worker(self, gateway: Gateway, error: BaseException) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise error

        frames = gateway.call(application)
        assert [(received.kind, received.flags) for received in frames] == [(FAILED, END | TAKES_MORE)]
        assert "Error handling request GET /shop?page=2\n" in gateway.log
        assert type(error).__name__ in gateway.log

    def test_a_system_exit_after_the_head_cuts_the_answer(self, gateway: Gateway) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise SystemExit

        with pytest.raises(SystemExit):
            gateway.handle(answering(pieces()))
        assert kinds_of(gateway.router.received()) == [RESPONSE, FAILED]


def test_nothing_follows_a_frame_that_a_signal_handler_of_the_application_has_cut_off(
    gateway: Gateway,
) -> None:
    # More than a router takes that does not read.
    with alarm_when_sent(gateway.router.connection, 1000):
        gateway.handle(answering([bytes(LARGE_BYTES)]))
    assert "TimeoutError: of the application" in gateway.log
    data = b""
    while more := gateway.router.connection.recv(65536):
        data += more
    length, kind, *_ = HEADER.unpack_from(data)
    assert kind == RESPONSE
    rest = data[HEADER.size + length :]
    length, kind, *_ = HEADER.unpack_from(rest)
    assert (kind, length > len(rest) - HEADER.size) == (BODY, True)
    assert set(rest[HEADER.size :]) == {0}


class TestClose:
    @pytest.mark.parametrize(
        ("pieces", "headers"),
        [
            pytest.param([b"a", b"b"], [], id="at the end"),
            pytest.param([], [], id="of nothing"),
            pytest.param([ValueError("first")], [], id="when it raises first"),
            pytest.param([b"a", ValueError("second")], [], id="when it raises in the middle"),
            pytest.param(["text"], [], id="when it yields text"),
            pytest.param([b"abc"], [("Content-Length", "3")], id="at the Content-Length"),
            pytest.param([b"abc", b"d"], [("Content-Length", "2")], id="beyond the Content-Length"),
            pytest.param([b"a"], [("Content-Length", "3")], id="before the Content-Length"),
        ],
    )
    def test_the_iterable_is_closed_once(
        self, gateway: Gateway, pieces: list[Any], headers: list[tuple[str, str]]
    ) -> None:
        body = Body(*pieces)
        gateway.call(answering(body, headers=headers))
        assert body.closed == 1

    def test_the_iterable_is_closed_when_start_response_was_not_called(self, gateway: Gateway) -> None:
        body = Body(b"x")
        gateway.call(lambda _environ, _start_response: body)
        assert body.closed == 1

    def test_the_iterable_is_closed_when_the_worker_ends(self, gateway: Gateway) -> None:
        def end() -> None:
            raise SystemExit

        body = Body(b"a", b"b", on_next=end)
        with pytest.raises(SystemExit):
            gateway.handle(answering(body))
        assert body.closed == 1

    def test_a_result_that_is_not_iterable_is_closed(self, gateway: Gateway) -> None:
        class Closing:
            closed = 0

            def close(self) -> None:
                self.closed += 1

        result = Closing()
        gateway.call(answering(result))
        assert result.closed == 1

    def test_the_iterable_is_closed_before_the_worker_is_free(self, gateway: Gateway) -> None:
        body = Body(b"a")
        frames = gateway.call(answering(body))
        assert not any(received.flags & TAKES_MORE for received in frames)

    def test_a_close_that_raises_is_logged_and_leaves_the_answer_as_it_is(self, gateway: Gateway) -> None:
        class Raising(Body):
            def close(self) -> None:
                raise ValueError("of close")

        frames = gateway.call(answering(Raising(b"a")))
        assert kinds_of(frames) == [RESPONSE, BODY]
        assert frames[-1].flags == END
        assert gateway.is_after_sent is False
        assert "ValueError: of close" in gateway.log


class TestClientGone:
    def test_an_iterable_is_closed_when_its_client_leaves_between_two_pieces(self, gateway: Gateway) -> None:
        body = Body(b"a", b"b", b"c", b"d", on_next=lambda: gateway.router.cancel(1))
        frames = gateway.call(answering(body))
        assert body.asked == 2
        assert body.closed == 1
        assert body_of(frames) == b"a"
        assert frames[-1].flags & END

    def test_that_a_client_leaves_is_no_error(self, gateway: Gateway) -> None:
        gateway.call(answering(Body(b"a", b"b", on_next=lambda: gateway.router.cancel(1))))
        assert gateway.log == ""

    def test_that_a_client_left_another_request_means_nothing(self, gateway: Gateway) -> None:
        body = Body(b"a", b"b", on_next=lambda: gateway.router.cancel(1))
        assert body_of(gateway.call(answering(body), stream=2)) == b"ab"

    def test_writing_to_a_client_that_left_raises_in_the_application(self, gateway: Gateway) -> None:
        raised: list[str] = []

        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            write = start_response("200 OK", [])
            write(b"a")
            gateway.router.cancel(1)
            try:
                write(b"b")
            except Exception as error:
                raised.append(type(error).__name__)
                raise
            return []

        frames = gateway.call(application)
        assert raised == ["ClientDisconnectedError"]
        assert body_of(frames) == b"a"

    def test_the_next_request_is_answered_after_a_client_left(self, gateway: Gateway) -> None:
        gateway.call(answering(Body(b"a", b"b", on_next=lambda: gateway.router.cancel(1))))
        assert only_response(gateway.call(answering([b"x"]), stream=2)).body == b"x"


class TestRouterGone:
    @pytest.mark.parametrize("result", [[b"x"], iter([b"x"])], ids=["list", "iterator"])
    def test_a_router_that_is_gone_ends_the_channel(self, gateway: Gateway, result: Any) -> None:
        gateway.router.close()
        with pytest.raises(ConnectionError):
            gateway.handle(answering(result))

    def test_an_iterable_is_closed_when_the_router_goes_between_two_pieces(self, gateway: Gateway) -> None:
        body = Body(b"a", b"b", on_next=gateway.router.close)
        with pytest.raises(ConnectionError):
            gateway.handle(answering(body))
        assert body.asked == 2
        assert body.closed == 1

    def test_that_the_router_goes_between_two_pieces_is_no_error_of_the_application(
        self, gateway: Gateway
    ) -> None:
        with pytest.raises(ConnectionError):
            gateway.handle(answering(Body(b"a", b"b", on_next=gateway.router.close)))
        assert gateway.log == ""

    def test_an_application_cannot_hide_that_the_router_is_gone(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            write = start_response("200 OK", [])
            gateway.router.close()
            try:
                write(b"a")
            except ConnectionError:
                return [b"b"]
            raise AssertionError("the router took it")

        with pytest.raises(ConnectionError):
            gateway.handle(application)
