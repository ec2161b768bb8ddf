"""The WSGI gateway (PEP 3333), with the test at the router's end of a socket pair."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from wsgiref.validate import validator

import pytest
from tunicorn import wsgi
from tunicorn.channel import Channel
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.wsgi import BODY_FRAME_BYTES, WsgiGateway

from tests.helpers.router import (
    BODY,
    END,
    ENVIRON,
    FAILED,
    FILE,
    FILE_BODY,
    INTERIM,
    LAST,
    RESPONSE,
    TAKES_MORE,
    FilePart,
    Received,
    Response,
    RouterEnd,
    body_of,
    file_part_of,
    kinds_of,
    request_payload,
    response_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse

Application = Callable[[Environ, StartResponse], Any]


class Gateway:
    """A gateway between an application and the router's end of its channel."""

    def __init__(self, logger: Logger, log_path: Path) -> None:
        router, worker = socket.socketpair()
        self.router = RouterEnd(router)
        self.worker = worker
        self._logger = logger
        self._log_path = log_path
        #: What the last call of handle returned.
        self.is_after_sent: bool | None = None

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def handle(
        self,
        application: Application,
        environ: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        stream: int = 1,
        flags: int = END,
        after: int = TAKES_MORE,
    ) -> None:
        """Has one request answered; the environ is added to the usual one."""
        gateway = WsgiGateway(application, Config({"workers": 1}, {}), self._logger, Channel(self.worker))
        payload = request_payload({**ENVIRON, **(environ or {})}, body)
        self.is_after_sent = gateway.handle(stream, flags, payload, after)

    def call(self, application: Application, *arguments: Any, **options: Any) -> list[Received]:
        """Has one request answered; the frames that were sent for it."""
        self.handle(application, *arguments, **options)
        return self.router.received()

    def close(self) -> None:
        self.router.close()
        self.worker.close()


@pytest.fixture
def gateway(logger: Logger, log_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(logger, log_path)
    yield gateway
    gateway.close()


class Body:
    """An iterable that records how it is used."""

    def __init__(self, *pieces: Any, on_next: Callable[[], object] | None = None) -> None:
        self._pieces = list(pieces)
        self._on_next = on_next
        self.asked = 0
        self.closed = 0

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> Any:
        self.asked += 1
        if self.asked > 1 and self._on_next is not None:
            self._on_next()
        if not self._pieces:
            raise StopIteration
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


def answering(
    result: Any, status: str = "200 OK", headers: list[tuple[str, str]] | None = None
) -> Application:
    """An application that starts its response and returns the result."""

    def application(_environ: Environ, start_response: StartResponse) -> Any:
        start_response(status, headers or [])
        return result

    return application


def only_response(frames: list[Received]) -> Response:
    """The response that came whole in one frame."""
    assert kinds_of(frames) == [RESPONSE]
    assert frames[0].flags & END
    return response_of(frames[0])


class TestWholeAnswers:
    @pytest.mark.parametrize(
        ("result", "body"),
        [
            pytest.param([b"hello"], b"hello", id="list"),
            pytest.param([b"he", b"", b"llo"], b"hello", id="list of several pieces"),
            pytest.param((b"he", b"llo"), b"hello", id="tuple"),
            pytest.param([], b"", id="empty list"),
            pytest.param((), b"", id="empty tuple"),
            pytest.param([b""], b"", id="list of nothing"),
        ],
    )
    def test_an_answer_that_is_all_there_is_one_frame(
        self, gateway: Gateway, result: Any, body: bytes
    ) -> None:
        frames = gateway.call(answering(result))
        assert only_response(frames).body == body
        assert frames[0].flags == END | TAKES_MORE
        assert gateway.is_after_sent is True

    def test_the_frame_carries_the_head(self, gateway: Gateway) -> None:
        headers = [
            ("Content-Type", "text/plain"),
            ("Content-Length", "2"),
            ("Connection", "close"),
            ("X-A", "b"),
        ]
        response = only_response(gateway.call(answering([b"no"], "404 Not Found", headers)))
        lines = "Content-Type: text/plain\r\nX-A: b\r\n"
        assert response == Response(404, "Not Found", lines, 2, b"no")

    def test_without_a_content_length_the_frame_has_none(self, gateway: Gateway) -> None:
        assert only_response(gateway.call(answering([b"x"]))).content_length is None

    def test_the_frame_belongs_to_the_stream_of_its_request(self, gateway: Gateway) -> None:
        assert gateway.call(answering([b"x"]), stream=4711)[0].stream == 4711

    def test_the_last_frame_says_that_the_worker_leaves(self, gateway: Gateway) -> None:
        frames = gateway.call(answering([b"x"]), after=TAKES_MORE | LAST)
        assert frames[0].flags == END | TAKES_MORE | LAST

    def test_a_list_that_has_a_close_is_closed(self, gateway: Gateway) -> None:
        class ClosingList(list[bytes]):
            closed = 0

            def close(self) -> None:
                self.closed += 1

        result = ClosingList([b"x"])
        frames = gateway.call(answering(result))
        assert body_of(frames) == b"x"
        assert result.closed == 1


class TestPieces:
    def test_each_piece_is_sent_before_the_next_is_asked_for(self, gateway: Gateway) -> None:
        seen: list[list[int]] = []

        def pieces() -> Iterator[bytes]:
            yield b"one"
            seen.append(kinds_of(gateway.router.received()))
            yield b"two"
            seen.append(kinds_of(gateway.router.received()))

        frames = gateway.call(answering(pieces()))
        assert seen == [[RESPONSE], [BODY]]
        assert [(received.kind, received.flags, received.body) for received in frames] == [(BODY, END, b"")]

    def test_the_caller_has_to_say_that_the_worker_is_free(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([b"x"])))
        assert gateway.is_after_sent is False
        assert frames[-1].flags == END

    def test_the_head_waits_for_the_first_piece_that_is_not_empty(self, gateway: Gateway) -> None:
        seen: list[list[Received]] = []

        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b""
            seen.append(gateway.router.received())
            yield b""
            seen.append(gateway.router.received())
            yield b"x"

        assert body_of(gateway.call(application)) == b"x"
        assert seen == [[], []]

    def test_empty_pieces_make_no_frames(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([b"", b"a", b"", b"b", b""])))
        assert [received.body for received in frames] == [b"a", b"b", b""]

    @pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]], ids=repr)
    def test_an_iterable_of_nothing_is_an_empty_answer(self, gateway: Gateway, pieces: list[bytes]) -> None:
        response = only_response(gateway.call(answering(iter(pieces), "204 No Content")))
        assert (response.status, response.body) == (204, b"")

    def test_the_application_may_be_a_generator_itself(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("202 Accepted", [("X-A", "b")])
            yield b"x"

        frames = gateway.call(application)
        assert response_of(frames[0]).status == 202
        assert body_of(frames) == b"x"

    def test_the_iterable_may_be_any_iterable(self, gateway: Gateway) -> None:
        class Pieces:
            def __iter__(self) -> Iterator[bytes]:
                return iter((b"a", b"b"))

        assert body_of(gateway.call(answering(Pieces()))) == b"ab"

    def test_a_subclass_of_bytes_is_bytes(self, gateway: Gateway) -> None:
        class Markup(bytes):
            """Bytes with a meaning."""

        assert body_of(gateway.call(answering(iter([Markup(b"x")])))) == b"x"


class TestWrite:
    def test_what_is_written_is_sent_at_once(self, gateway: Gateway) -> None:
        seen: list[list[int]] = []

        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            write = start_response("200 OK", [])
            write(b"one")
            seen.append(kinds_of(gateway.router.received()))
            write(b"two")
            seen.append(kinds_of(gateway.router.received()))
            return [b"three"]

        frames = gateway.call(application)
        assert seen == [[RESPONSE], [BODY]]
        assert [(received.kind, received.flags, received.body) for received in frames] == [
            (BODY, 0, b"three"),
            (BODY, END, b""),
        ]

    def test_what_is_written_comes_before_what_is_returned(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [])(b"written ")
            return iter([b"returned ", b"in pieces"])

        assert body_of(gateway.call(application)) == b"written returned in pieces"

    def test_writing_nothing_sends_nothing(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])(b"")
            assert gateway.router.received() == []
            return [b"x"]

        assert only_response(gateway.call(application)).body == b"x"

    def test_an_answer_may_be_written_alone(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])(b"all")
            return []

        frames = gateway.call(application)
        assert body_of(frames) == b"all"
        assert frames[-1].flags & END


def error_head(start_response: StartResponse, *, status: str = "500 Oops", length: str = "4") -> None:
    """Starts an error page in the place of what was started before, as an error handler does."""
    try:
        raise RuntimeError("of the application")
    except RuntimeError:
        start_response(status, [("Content-Length", length)], sys.exc_info())


class TestStartResponse:
    def test_a_second_start_response_without_exc_info_is_refused(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            start_response("201 Created", [])
            return [b"x"]

        assert kinds_of(gateway.call(application)) == [FAILED]
        assert "start_response was called a second time without exc_info" in gateway.log

    def test_exc_info_replaces_a_head_that_was_not_sent(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [("X-First", "1"), ("Content-Length", "7")])
            error_head(start_response)
            return [b"oops"]

        assert only_response(gateway.call(application)) == Response(500, "Oops", "", 4, b"oops")
        assert gateway.log == ""

    def test_exc_info_replaces_a_head_after_empty_pieces(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b""
            error_head(start_response)
            yield b"oops"

        assert response_of(gateway.call(application)[0]).status == 500

    def test_the_first_start_response_may_have_exc_info(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            error_head(start_response)
            return [b"oops"]

        assert only_response(gateway.call(application)).status == 500

    def test_start_response_with_exc_info_returns_write(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("500 Oops", [], (None, None, None))(b"written")
            return []

        assert body_of(gateway.call(application)) == b"written"

    @pytest.mark.parametrize("is_written", [False, True], ids=["generator", "write"])
    def test_exc_info_is_raised_again_when_the_head_was_sent(
        self, gateway: Gateway, is_written: bool
    ) -> None:
        raised: list[BaseException] = []

        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            write = start_response("200 OK", [])
            if is_written:
                write(b"half")
            else:
                yield b"half"
            try:
                error_head(start_response)
            except RuntimeError as error:
                raised.append(error)
                raise
            yield b"error page"

        frames = gateway.call(application)
        assert kinds_of(frames) == [RESPONSE, FAILED]
        assert body_of(frames) == b"half"
        assert [str(error) for error in raised] == ["of the application"]
        assert 'raise RuntimeError("of the application")' in gateway.log

    def test_exc_info_of_no_exception_does_not_replace_a_head_that_was_sent(self, gateway: Gateway) -> None:
        # PEP 3333: with the headers sent and exc_info given, start_response must raise an error.
        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"half"
            start_response("500 Oops", [], (None, None, None))
            yield b"error page"

        frames = gateway.call(application)
        assert kinds_of(frames) == [RESPONSE, FAILED]

    @pytest.mark.parametrize(
        ("status", "headers", "message"),
        [
            pytest.param("200", [("X", "a\r\nb: c")], "holds a control character", id="CR LF in a value"),
            pytest.param("200 OK", [("X\r\nY", "v")], "invalid response header name", id="CR LF in a name"),
            pytest.param("200 OK\r\nX: y", [], "invalid status", id="CR LF in the status"),
            pytest.param(200, [], "the status must be text", id="number as status"),
            pytest.param("200 OK", {"X": "v"}, "response headers must be a list", id="dict as headers"),
        ],
    )
    def test_what_start_response_refuses_is_raised_in_the_application(
        self, gateway: Gateway, status: Any, headers: Any, message: str
    ) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            with pytest.raises((TypeError, ValueError), match=message):
                start_response(status, headers)
            start_response("500 Refused", [])
            return [b"refused"]

        assert only_response(gateway.call(application)).body == b"refused"

    @pytest.mark.parametrize(
        "result",
        [[b"x"], [], (b"x",), iter([b"x"]), iter([]), iter([b""])],
        ids=["list", "empty list", "tuple", "iterator", "empty iterator", "iterator of nothing"],
    )
    def test_an_application_that_never_calls_start_response_has_failed(
        self, gateway: Gateway, result: Any
    ) -> None:
        frames = gateway.call(lambda _environ, _start_response: result)
        assert [(received.kind, received.flags) for received in frames] == [(FAILED, END | TAKES_MORE)]
        assert "before it called start_response" in gateway.log


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
            start_response("200 OK", [])("text")  # type: ignore[arg-type]
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

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
    def test_what_ends_the_worker_is_told_to_the_client_first(
        self, gateway: Gateway, error: BaseException
    ) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise error

        with pytest.raises(type(error)):
            gateway.handle(application)
        frames = gateway.router.received()
        assert [(received.kind, received.flags) for received in frames] == [(FAILED, END | LAST)]

    def test_a_system_exit_after_the_head_cuts_the_answer(self, gateway: Gateway) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise SystemExit

        with pytest.raises(SystemExit):
            gateway.handle(answering(pieces()))
        assert kinds_of(gateway.router.received()) == [RESPONSE, FAILED]


def missing_start(_environ: Environ, _start_response: StartResponse) -> Body:
    return Body(b"x")


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


class TestContentLength:
    def test_the_piece_that_reaches_the_length_is_the_end(self, gateway: Gateway) -> None:
        body = Body(b"ab", b"cd", b"e")
        frames = gateway.call(answering(body, headers=[("Content-Length", "5")]))
        assert [(received.flags, received.body) for received in frames] == [
            (0, b"ab"),
            (0, b"cd"),
            (END, b"e"),
        ]
        assert gateway.is_after_sent is False

    def test_the_end_does_not_wait_for_the_clean_up_of_the_application(self, gateway: Gateway) -> None:
        seen: list[int] = []

        def pieces() -> Iterator[bytes]:
            yield b"ab"
            seen.extend(received.flags for received in gateway.router.received())

        assert gateway.call(answering(pieces(), headers=[("Content-Length", "2")])) == []
        assert seen == [END]

    def test_pieces_beyond_the_length_are_not_sent(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([b"ab", b"cd", b"ef"]), headers=[("Content-Length", "4")]))
        assert body_of(frames) == b"abcd"
        assert kinds_of(frames) == [RESPONSE, BODY]

    def test_what_is_written_beyond_the_length_is_not_sent(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            write = start_response("200 OK", [("Content-Length", "2")])
            write(b"ab")
            write(b"cd")
            return [b"ef"]

        assert body_of(gateway.call(application)) == b"ab"

    def test_an_endless_iterable_is_left_when_the_length_is_reached(self, gateway: Gateway) -> None:
        # PEP 3333: the server should stop iterating when enough data has been sent.
        asked = 0

        def endless() -> Iterator[bytes]:
            nonlocal asked
            while asked < 1000:
                asked += 1
                yield b"ab"

        assert body_of(gateway.call(answering(endless(), headers=[("Content-Length", "4")]))) == b"abab"
        assert asked <= 3

    def test_an_answer_shorter_than_its_length_ends_all_the_same(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([b"ab"]), headers=[("Content-Length", "5")]))
        assert [(received.flags, received.body) for received in frames] == [(0, b"ab"), (END, b"")]
        assert response_of(frames[0]).content_length == 5

    def test_a_length_of_zero_with_an_empty_iterable_is_whole(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([]), headers=[("Content-Length", "0")]))
        assert only_response(frames).content_length == 0

    def test_a_replaced_head_counts_against_its_own_length(self, gateway: Gateway) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Length", "1")])
            error_head(start_response, length="4")
            yield b"oo"
            yield b"ps"

        frames = gateway.call(application)
        assert [(received.flags, received.body) for received in frames] == [(0, b"oo"), (END, b"ps")]


class TestLargeBodies:
    @pytest.fixture(autouse=True)
    def frames_of_ten_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wsgi, "BODY_FRAME_BYTES", 10)

    @pytest.mark.parametrize(
        ("size", "sizes"),
        [(9, [9]), (10, [10]), (11, [0, 10, 1, 0]), (20, [0, 10, 10, 0]), (25, [0, 10, 10, 5, 0])],
    )
    def test_a_whole_body_is_cut_into_frames(self, gateway: Gateway, size: int, sizes: list[int]) -> None:
        content = bytes(range(size))
        frames = gateway.call(answering([content]))
        assert [len(received.body) for received in frames] == sizes
        assert body_of(frames) == content
        assert [bool(received.flags & END) for received in frames] == [False] * (len(frames) - 1) + [True]

    @pytest.mark.parametrize(
        ("size", "sizes"), [(9, [9]), (10, [10]), (11, [0, 10, 1]), (20, [0, 10, 10]), (25, [0, 10, 10, 5])]
    )
    @pytest.mark.parametrize("is_list", [True, False], ids=["list", "iterator"])
    def test_with_a_content_length_the_last_of_the_bytes_is_the_end(
        self, gateway: Gateway, size: int, sizes: list[int], is_list: bool
    ) -> None:
        content = bytes(range(size))
        result = [content] if is_list else iter([content])
        frames = gateway.call(answering(result, headers=[("Content-Length", str(size))]))
        assert [len(received.body) for received in frames] == sizes
        assert body_of(frames) == content
        assert [bool(received.flags & END) for received in frames] == [False] * (len(frames) - 1) + [True]

    def test_a_later_piece_is_cut_into_frames(self, gateway: Gateway) -> None:
        frames = gateway.call(answering(iter([b"a", b"b" * 25])))
        assert [len(received.body) for received in frames] == [1, 10, 10, 5, 0]


def test_a_body_of_several_frames_waits_until_the_router_takes_it(gateway: Gateway) -> None:
    content = bytes(range(256)) * 8000
    assert len(content) > 4 * BODY_FRAME_BYTES
    worker = threading.Thread(target=gateway.handle, args=(answering([content]),))
    worker.start()
    frames = gateway.router.receive_response()
    worker.join()
    assert body_of(frames) == content
    assert max(len(received.body) for received in frames) == BODY_FRAME_BYTES


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


def keeping(kept: list[Environ]) -> Application:
    """An application that keeps its environ."""

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        kept.append(environ)
        start_response("204 No Content", [])
        return []

    return application


class TestEnviron:
    def test_the_environ_holds_what_the_router_cooked_and_what_pep_3333_wants(self, gateway: Gateway) -> None:
        kept: list[Environ] = []
        gateway.call(keeping(kept), {"HTTP_X_NAME": "caf\xe9", "CONTENT_TYPE": ""})
        environ = kept[0]
        assert type(environ) is dict
        assert {**environ, **ENVIRON} == environ
        assert environ["HTTP_X_NAME"] == "caf\xe9"
        assert environ["CONTENT_TYPE"] == ""
        assert environ["wsgi.version"] == (1, 0)

    def test_what_one_request_does_to_its_environ_the_next_does_not_see(
        self, logger: Logger, gateway: Gateway
    ) -> None:
        kept: list[Environ] = []

        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            kept.append(dict(environ))
            environ["left.behind"] = "x"
            environ["wsgi.multithread"] = "changed"
            start_response("204 No Content", [])
            return []

        channel = Channel(gateway.worker)
        same_gateway = WsgiGateway(application, Config({"workers": 1}, {}), logger, channel)
        for stream in (1, 2):
            same_gateway.handle(stream, END, request_payload(ENVIRON), TAKES_MORE)
        assert "left.behind" not in kept[1]
        assert kept[1]["wsgi.multithread"] is False

    def test_the_application_reads_the_body_from_memory(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            return [environ["wsgi.input"].read(3), b"|", environ["wsgi.input"].read()]

        frames = gateway.call(application, {"REQUEST_METHOD": "POST"}, b"a\0\r\n\xff")
        assert only_response(frames).body == b"a\0\r|\n\xff"

    def test_the_application_reads_the_body_from_its_file(self, gateway: Gateway, tmp_path: Path) -> None:
        path = tmp_path / "b\xf6dy"
        path.write_bytes(b"from the file")
        inputs: list[Any] = []

        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            inputs.append(environ["wsgi.input"])
            return [environ["wsgi.input"].read()]

        frames = gateway.call(application, body=str(path).encode(), flags=END | FILE_BODY)
        assert only_response(frames).body == b"from the file"
        assert inputs[0].closed
        assert path.exists()

    def test_a_body_file_that_the_router_removed_already_costs_one_answer_and_not_the_worker(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        # The client left when REQUEST was sent: the router has removed its file, and CANCEL is under way.
        path = str(tmp_path / "gone").encode()
        frames = gateway.call(answering([b"x"]), body=path, flags=END | FILE_BODY)
        assert kinds_of(frames) == [FAILED]
        assert frames[0].flags & END

    def test_wsgi_input_is_closed_when_the_request_is_over(self, gateway: Gateway) -> None:
        kept: list[Environ] = []
        gateway.call(keeping(kept))
        assert kept[0]["wsgi.input"].closed

    def test_wsgi_input_is_open_until_the_iterable_is_closed(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"<"
            try:
                yield environ["wsgi.input"].read(2)
            finally:
                assert environ["wsgi.input"].read() == b"cd"

        assert body_of(gateway.call(application, body=b"abcd")) == b"<ab"
        assert gateway.log == ""

    def test_wsgi_errors_goes_to_the_log(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            print("said by the application", file=environ["wsgi.errors"])
            start_response("204 No Content", [])
            return []

        gateway.call(application)
        assert gateway.log == "said by the application\n"

    def test_at_level_debug_each_request_is_logged(
        self, logger: Logger, log_path: Path, gateway: Gateway
    ) -> None:
        logger.configure(str(log_path), "debug")
        gateway.call(answering([b"x"]))
        assert gateway.log.endswith(" [DEBUG] GET /shop\n")

    def test_at_other_levels_nothing_is_logged(self, logger: Logger, gateway: Gateway) -> None:
        assert not logger.error_log.isEnabledFor(logging.DEBUG)
        gateway.call(answering([b"x"]))
        assert gateway.log == ""


def wrapping(make_file: Callable[[], Any], headers: list[tuple[str, str]] | None = None) -> Application:
    """An application that returns a file in wsgi.file_wrapper."""

    def application(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", headers or [])
        return environ["wsgi.file_wrapper"](make_file(), 1000)

    return application


CONTENT = bytes(range(256)) * 20


class TestFiles:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Iterator[IO[bytes]]:
        path = tmp_path / "file"
        path.write_bytes(CONTENT)
        with path.open("rb") as file:
            yield file

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the router reads files through /proc")
    @pytest.mark.parametrize("start", [0, 1, len(CONTENT) - 1])
    def test_the_router_is_offered_the_rest_of_a_file(
        self, gateway: Gateway, file: IO[bytes], start: int
    ) -> None:
        file.seek(start)
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}".encode()
        gateway.router.answer_file(is_taken=True)
        head, offered = gateway.call(wrapping(lambda: file))
        assert (head.flags, head.body, response_of(head).content_length) == (0, b"", len(CONTENT) - start)
        assert file_part_of(offered) == FilePart(path, start, len(CONTENT) - start)

    @pytest.mark.parametrize("is_taken", [True, False], ids=["taken", "refused"])
    def test_a_file_is_open_while_it_is_offered_and_closed_afterwards(
        self, gateway: Gateway, file: IO[bytes], is_taken: bool
    ) -> None:
        gateway.router.answer_file(is_taken=is_taken)
        gateway.call(wrapping(lambda: file))
        assert file.closed

    def test_a_file_that_the_router_takes_ends_the_response(self, gateway: Gateway, file: IO[bytes]) -> None:
        gateway.router.answer_file(is_taken=True)
        assert kinds_of(gateway.call(wrapping(lambda: file))) == [RESPONSE, FILE]
        assert gateway.is_after_sent is False

    def test_a_file_that_the_router_refuses_is_sent_in_pieces(
        self, gateway: Gateway, file: IO[bytes]
    ) -> None:
        file.seek(10)
        gateway.router.answer_file(is_taken=False)
        frames = gateway.call(wrapping(lambda: file))
        assert body_of(frames) == CONTENT[10:]
        assert frames[-1].flags == END
        assert response_of(frames[0]).content_length == len(CONTENT) - 10

    @pytest.mark.parametrize("length", [0, 1, 2000, len(CONTENT)])
    def test_no_more_of_a_file_is_offered_than_the_content_length(
        self, gateway: Gateway, file: IO[bytes], length: int
    ) -> None:
        gateway.router.answer_file(is_taken=True)
        frames = gateway.call(wrapping(lambda: file, [("Content-Length", str(length))]))
        assert response_of(frames[0]).content_length == length
        assert file_part_of(frames[1])[1:] == (0, length)

    @pytest.mark.parametrize(
        "make_file",
        [
            pytest.param(lambda _path: io.BytesIO(CONTENT), id="memory"),
            pytest.param(lambda path: _Reader(path.open("rb")), id="object with read alone"),
            pytest.param(lambda path: gzip.GzipFile(_packed(path, gzip.compress)), id="gzip"),
            pytest.param(lambda path: bz2.BZ2File(_packed(path, bz2.compress)), id="bz2"),
        ],
    )
    def test_what_the_router_cannot_read_itself_is_sent_in_pieces(
        self, gateway: Gateway, tmp_path: Path, file: IO[bytes], make_file: Callable[[Path], Any]
    ) -> None:
        # Answers an offer that should not come; else the gateway waited for it.
        gateway.router.answer_file(is_taken=True)
        frames = gateway.call(wrapping(lambda: make_file(tmp_path / "file")))
        assert FILE not in kinds_of(frames)
        assert body_of(frames) == CONTENT

    def test_a_pipe_is_sent_in_pieces(self, gateway: Gateway) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"piped")
        os.close(writing)
        assert body_of(gateway.call(wrapping(lambda: os.fdopen(reading, "rb")))) == b"piped"

    def test_a_file_at_its_end_is_an_empty_answer(self, gateway: Gateway, file: IO[bytes]) -> None:
        file.read()
        assert only_response(gateway.call(wrapping(lambda: file))).body == b""

    def test_a_file_after_written_bytes_is_sent_in_pieces(self, gateway: Gateway, file: IO[bytes]) -> None:
        def application(environ: Environ, start_response: StartResponse) -> Any:
            start_response("200 OK", [])(b"written")
            return environ["wsgi.file_wrapper"](file)

        assert body_of(gateway.call(application)) == b"written" + CONTENT

    def test_a_wrapper_that_middleware_has_put_into_another_iterable_is_sent_in_pieces(
        self, gateway: Gateway, file: IO[bytes]
    ) -> None:
        def application(environ: Environ, start_response: StartResponse) -> Any:
            return (piece[::-1] for piece in wrapping(lambda: file)(environ, start_response))

        backwards = [CONTENT[start : start + 1000][::-1] for start in range(0, len(CONTENT), 1000)]
        assert body_of(gateway.call(application)) == b"".join(backwards)
        file.close()

    def test_a_file_without_start_response_has_failed(self, gateway: Gateway, file: IO[bytes]) -> None:
        frames = gateway.call(lambda environ, _start_response: environ["wsgi.file_wrapper"](file))
        assert kinds_of(frames) == [FAILED]
        assert file.closed

    def test_a_router_that_goes_while_it_is_offered_a_file_ends_the_channel(
        self, gateway: Gateway, file: IO[bytes]
    ) -> None:
        gateway.router.connection.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError):
            gateway.handle(wrapping(lambda: file))
        assert file.closed
        assert gateway.log == ""


class _Reader:
    """A file of which only read and close are known."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read
        self.close = file.close


def _packed(path: Path, compress: Callable[[bytes], bytes]) -> Path:
    packed = path.with_suffix(".packed")
    packed.write_bytes(compress(path.read_bytes()))
    return packed


class TestEarlyHints:
    def test_early_hints_are_sent_at_once(self, gateway: Gateway) -> None:
        seen: list[Received] = []

        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("link", "</b.js>")])
            seen.extend(gateway.router.received())
            start_response("200 OK", [])
            return [b"x"]

        assert only_response(gateway.call(application, stream=7)).body == b"x"
        assert seen == [Received(INTERIM, 0, 103, 7, b"Link: </a.css>; rel=preload\r\nlink: </b.js>\r\n")]

    def test_early_hints_may_come_after_start_response_and_more_than_once(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            environ["wsgi.early_hints"]([("Link", "</a>")])
            start_response("200 OK", [])
            environ["wsgi.early_hints"]([("Link", "</b>")])
            return [b"x"]

        assert kinds_of(gateway.call(application)) == [INTERIM, INTERIM, RESPONSE]

    def test_early_hints_are_too_late_after_the_head(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"x"
            environ["wsgi.early_hints"]([("Link", "</a>")])

        assert kinds_of(gateway.call(application)) == [RESPONSE, BODY]

    def test_fields_that_the_router_decides_are_left_out_of_early_hints(self, gateway: Gateway) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            environ["wsgi.early_hints"]([("Connection", "close"), ("Content-Length", "5"), ("Link", "</a>")])
            start_response("204 No Content", [])
            return []

        assert gateway.call(application)[0].payload == b"Link: </a>\r\n"

    @pytest.mark.parametrize(
        "headers",
        [[("Link", "a\r\nb: c")], [("Li nk", "a")], [("Link\r\nX", "a")], [("Link", "\u2603")]],
        ids=["CR LF in a value", "space in a name", "CR LF in a name", "beyond latin-1"],
    )
    def test_headers_that_cannot_be_sent_are_refused_in_early_hints(
        self, gateway: Gateway, headers: list[tuple[str, str]]
    ) -> None:
        def application(environ: Environ, _start_response: StartResponse) -> list[bytes]:
            environ["wsgi.early_hints"](headers)
            return []

        assert kinds_of(gateway.call(application)) == [FAILED]


def validated_list(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


def validated_generator(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"hel"
    yield b""
    yield b"lo"


def validated_write(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])(b"hel")
    return [b"lo"]


def validated_error(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError("handled by the application")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        start_response("500 Oops", [("Content-Type", "text/plain")], info)
    return [b"hello"]


def validated_input(environ: Environ, start_response: StartResponse) -> list[bytes]:
    stream = environ["wsgi.input"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    read = [stream.read(1), stream.readline(), *stream.readlines(), *stream, stream.read(5)]
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].writelines([])
    environ["wsgi.errors"].flush()
    return [b"".join(read)]


@pytest.mark.parametrize(
    "application",
    [validated_list, validated_generator, validated_write, validated_error, validated_input],
    ids=lambda application: application.__name__,
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_the_validator_of_the_standard_library_finds_nothing(
    gateway: Gateway, capfd: pytest.CaptureFixture[str], application: Any, method: str
) -> None:
    environ = {"REQUEST_METHOD": method, "CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/plain"}
    frames = gateway.call(validator(application), environ, b"h\nllo")
    assert gateway.log == ""
    assert capfd.readouterr() == ("", "")
    assert FAILED not in kinds_of(frames)
    assert body_of(frames) in (b"hello", b"h\nllo")


def test_the_validator_finds_nothing_when_the_client_leaves(
    gateway: Gateway, capfd: pytest.CaptureFixture[str]
) -> None:
    def application(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"
        gateway.router.cancel(1)
        yield b"b"
        yield b"c"

    gateway.call(validator(application))
    assert gateway.log == ""
    assert capfd.readouterr() == ("", "")
