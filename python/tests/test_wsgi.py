"""The WSGI gateway (PEP 3333): answers, and the ways to give them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from tunicorn.channel import Channel
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.wsgi import WsgiGateway

from tests.helpers.gateway import Application, Gateway, answering, error_head, only_response
from tests.helpers.logs import set_up
from tests.helpers.router import (
    BODY,
    END,
    ENVIRON,
    FAILED,
    FILE_BODY,
    INTERIM,
    LAST,
    RESPONSE,
    TAKES_MORE,
    Received,
    Response,
    body_of,
    kinds_of,
    request_payload,
    response_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse


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
        same_gateway = WsgiGateway(application, Config({"workers": 1, "threads": 1}, {}), logger, channel)
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
        set_up(logger, log_path, "debug")
        gateway.call(answering([b"x"]))
        assert gateway.log.endswith(" [DEBUG] GET /shop\n")
        gateway.call(answering([b"x"]), {"RAW_URI": "/a%0a[x]", "PATH_INFO": "/a\n[x]"})
        assert gateway.log.endswith(" [DEBUG] GET /a%0a[x]\n")

    def test_at_other_levels_nothing_is_logged(self, logger: Logger, gateway: Gateway) -> None:
        assert not logger.error_log.isEnabledFor(logging.DEBUG)
        gateway.call(answering([b"x"]))
        assert gateway.log == ""


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
