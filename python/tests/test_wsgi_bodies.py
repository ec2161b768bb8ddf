"""The WSGI gateway: Content-Length, large bodies and files."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from tunicorn import channel, wsgi_response
from tunicorn.wsgi_response import WHOLE_LIMIT_BYTES

from tests.helpers.gateway import Application, Body, Gateway, answering, error_head, only_response
from tests.helpers.router import (
    BODY,
    END,
    FAILED,
    FILE,
    RESPONSE,
    FilePart,
    body_of,
    file_part_of,
    kinds_of,
    response_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse


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
        monkeypatch.setattr(wsgi_response, "JOIN_LIMIT_BYTES", 4)
        monkeypatch.setattr(wsgi_response, "WHOLE_LIMIT_BYTES", 10)
        monkeypatch.setattr(channel, "BODY_FRAME_BYTES", 10)

    @pytest.mark.parametrize(
        ("size", "sizes"),
        [(9, [9]), (10, [10]), (11, [4, 7, 0]), (20, [4, 10, 6, 0]), (25, [4, 10, 10, 1, 0])],
    )
    def test_a_whole_body_is_cut_into_frames(self, gateway: Gateway, size: int, sizes: list[int]) -> None:
        content = bytes(range(size))
        frames = gateway.call(answering([content]))
        assert [len(received.body) for received in frames] == sizes
        assert body_of(frames) == content
        assert [bool(received.flags & END) for received in frames] == [False] * (len(frames) - 1) + [True]

    @pytest.mark.parametrize(
        ("size", "sizes"), [(4, [4]), (5, [4, 1]), (11, [4, 7]), (20, [4, 10, 6]), (25, [4, 10, 10, 1])]
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
    assert len(content) > 4 * WHOLE_LIMIT_BYTES
    worker = threading.Thread(target=gateway.handle, args=(answering([content]),))
    worker.start()
    frames = gateway.router.receive_response()
    worker.join()
    assert body_of(frames) == content


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
