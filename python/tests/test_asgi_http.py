"""What an asgi worker says for one HTTP request, and what it tells the application."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import StartAsgi
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import (
    AWAITS_CONTINUE,
    BODY,
    END,
    FAILED,
    FILE,
    INTERIM,
    REQUEST_BODY,
    RESPONSE,
    TRAILERS,
    WINDOW,
    WINDOW_BYTES,
    body_of,
    encode,
    file_part_of,
    kinds_of,
    response_of,
    window_of,
)


class TestResponse:
    def test_head_and_body_leave_in_one_frame(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send, 201, [(b"X-One", b"1"), (b"x-two", b"2"), (b"x-one", b"3"), (b"content-length", b"5")])
    await body(send, b"hello")
""").channel
        channel.asgi_request("/")
        answer = channel.expect(RESPONSE)
        head = response_of(answer)
        assert (head.status, head.reason, head.content_length) == (201, "Created", 5)
        assert head.field_lines == "x-one: 1\r\nx-two: 2\r\nx-one: 3\r\n"
        assert (answer.flags, head.body) == (END, b"hello")

    def test_the_head_does_not_wait_for_a_body_that_comes_later(
        self, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await gate()
    await body(send, b"late")
""").channel
        channel.asgi_request("/")
        head = channel.expect(RESPONSE)
        assert (head.body, head.flags) == (b"", 0)
        gate.touch()
        late = channel.expect(BODY)
        assert (late.body, late.flags) == (b"late", END)

    def test_pieces_are_sent_as_they_come(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send, b"one", True)
    await asyncio.sleep(0)
    await body(send, bytearray(b"two"), True)
    await body(send, memoryview(b"three"))
""").channel
        channel.asgi_request("/")
        frames = channel.receive_until_end()
        assert body_of(frames) == b"onetwothree"
        assert kinds_of(frames) == [RESPONSE, BODY, BODY]

    def test_a_body_beyond_the_window_waits_for_room(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send, bytes(300_000))
    open("sent", "w").close()
""").channel
        channel.asgi_request("/")
        first = channel.expect(RESPONSE)
        assert (len(first.body), first.flags) == (WINDOW_BYTES, 0)
        channel.wait_until_handled()
        channel.give_room(WINDOW_BYTES)
        assert len(channel.expect(BODY).body) == WINDOW_BYTES
        channel.give_room(WINDOW_BYTES)
        last = channel.expect(BODY)
        assert (len(last.body), last.flags) == (300_000 - 2 * WINDOW_BYTES, END)

    def test_send_returns_only_when_there_is_room_for_more(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    for number in range(10):
        await body(send, bytes(64 * 1024), True)
        open(f"sent-{number}", "w").close()
    await body(send)
""").channel
        channel.asgi_request("/")
        channel.expect(RESPONSE)
        channel.expect(BODY)
        channel.wait_until_handled()
        assert sorted(path.name for path in mold.folder.glob("sent-*")) == ["sent-0"]
        channel.give_room(64 * 1024)
        channel.expect(BODY)
        wait_for_file(mold.folder / "sent-1")

    def test_one_stream_that_is_stalled_does_not_stop_another(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send, bytes(300_000) if scope["path"] == "/large" else b"small")
""").channel
        channel.asgi_request("/large", 1)
        channel.expect(RESPONSE)
        channel.asgi_request("/small", 2)
        assert channel.expect(RESPONSE).body == b"small"

    def test_trailers_come_behind_the_body(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    assert "http.response.trailers" in scope["extensions"]
    await start(send, trailers=True)
    await body(send, b"body")
    await send({"type": "http.response.trailers", "headers": [(b"digest", b"abc")]})
""").channel
        channel.asgi_request("/")
        frames = channel.receive_until_end()
        assert kinds_of(frames) == [RESPONSE, TRAILERS]
        assert frames[-1].payload == b"digest: abc\r\n"

    def test_early_hints_go_ahead_of_the_response(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    assert "http.response.early_hint" in scope["extensions"]
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]})
    await start(send)
    await body(send)
""").channel
        channel.asgi_request("/")
        hint, answer = channel.expect(INTERIM), channel.expect(RESPONSE)
        assert hint.aux == 103
        assert hint.payload == b"link: </a.css>; rel=preload\r\nlink: </b.js>\r\n"
        assert answer.flags == END

    def test_a_file_is_left_to_the_router(self, mold: MoldProcess, start_asgi: StartAsgi) -> None:
        (mold.folder / "page.txt").write_bytes(b"the page")
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send, 200, [(b"content-length", b"8")])
    await send({"type": "http.response.pathsend", "path": os.path.abspath("page.txt")})
    open("sent", "w").close()
""").channel
        channel.asgi_request("/")
        channel.expect(RESPONSE)
        part = file_part_of(channel.expect(FILE))
        assert (part.start, part.length) == (0, 8)
        assert Path(os.fsdecode(part.path)).read_bytes() == b"the page"
        channel.answer_file(is_taken=True)
        wait_for_file(mold.folder / "sent")

    def test_a_file_that_the_router_does_not_take_is_sent(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        (mold.folder / "page.txt").write_bytes(b"the page" * 40_000)
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": os.path.abspath("page.txt")})
""").channel
        channel.asgi_request("/")
        frames = [channel.expect(RESPONSE)]
        channel.expect(FILE)
        channel.answer_file(is_taken=False)
        channel.give_room(10**6)
        frames += channel.receive_until_end()
        assert body_of(frames) == b"the page" * 40_000


class TestRequestBody:
    ECHO = """
async def handle(scope, receive, send):
    pieces = []
    while True:
        message = await receive()
        pieces.append(f"{message['type']} {len(message.get('body', b''))} {message.get('more_body')}")
        if not message.get("more_body"):
            break
    await start(send)
    await body(send, "; ".join(pieces).encode())
"""

    def test_a_whole_body_comes_as_one_message(self, start_asgi: StartAsgi) -> None:
        channel = start_asgi(self.ECHO).channel
        channel.asgi_request("/", 1, b"12345", method="POST")
        assert channel.expect(RESPONSE).body == b"http.request 5 False"
        channel.asgi_request("/", 2)
        assert channel.expect(RESPONSE).body == b"http.request 0 False"

    def test_a_body_comes_piece_by_piece_and_room_is_given_for_what_was_taken(
        self, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi(self.ECHO).channel
        channel.asgi_request("/", 1, b"a" * 10, 0, method="POST")
        channel.wait_until_handled()
        channel.send(encode(REQUEST_BODY, 1, b"b" * (WINDOW_BYTES - 10)))
        assert window_of(channel.expect(WINDOW)) == WINDOW_BYTES
        channel.send(encode(REQUEST_BODY, 1, b"c", END))
        assert channel.expect(RESPONSE).body == (
            b"http.request 10 True; http.request 131062 True; http.request 1 False"
        )

    def test_no_room_is_given_while_nobody_takes_the_body(self, start_asgi: StartAsgi, gate: Path) -> None:
        channel = start_asgi(
            self.ECHO.replace("    pieces = []\n", "    await gate()\n    pieces = []\n")
        ).channel
        channel.asgi_request("/", 1, b"a" * WINDOW_BYTES, 0, method="POST")
        channel.wait_until_handled()
        assert channel.received() == []
        gate.touch()
        assert window_of(channel.expect(WINDOW)) == WINDOW_BYTES

    def test_a_client_that_waits_for_100_continue_is_asked_when_the_body_is(
        self, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi(
            self.ECHO.replace("    pieces = []\n", "    await gate()\n    pieces = []\n")
        ).channel
        channel.asgi_request("/", 1, b"", AWAITS_CONTINUE, method="POST")
        channel.wait_until_handled()
        assert channel.received() == []
        gate.touch()
        assert window_of(channel.expect(WINDOW)) == WINDOW_BYTES
        channel.send(encode(REQUEST_BODY, 1, b"body", END))
        assert channel.expect(RESPONSE).body == b"http.request 4 False"


class TestClientThatLeaves:
    LISTENING = """
async def handle(scope, receive, send):
    while (await receive())["type"] != "http.disconnect":
        open("asked", "w").close()
    open("told", "w").close()
"""

    def test_the_application_is_told_and_the_stream_ends(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi(self.LISTENING).channel
        channel.asgi_request("/")
        wait_for_file(mold.folder / "asked")
        channel.cancel()
        assert channel.expect(FAILED).flags == END
        wait_for_file(mold.folder / "told")
        assert "ERROR" not in mold.stderr

    def test_the_application_is_told_after_its_response_is_complete(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send)
    assert (await receive())["type"] == "http.disconnect"
    open("told", "w").close()
""").channel
        channel.asgi_request("/")
        channel.expect(RESPONSE)
        wait_for_file(mold.folder / "told")

    def test_several_who_wait_are_all_told(self, mold: MoldProcess, start_asgi: StartAsgi) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await receive()
    open("asked", "w").close()
    messages = await asyncio.gather(*[receive() for _ in range(3)])
    assert [message["type"] for message in messages] == ["http.disconnect"] * 3
    open("told", "w").close()
""").channel
        channel.asgi_request("/")
        wait_for_file(mold.folder / "asked")
        channel.cancel()
        wait_for_file(mold.folder / "told")

    def test_a_half_closed_client_counts_as_gone_only_once_its_response_has_begun(
        self, mold: MoldProcess, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await receive()
    waiting = asyncio.ensure_future(receive())
    await gate()
    assert not waiting.done()
    await start(send)
    await body(send, b"piece", True)
    assert (await waiting)["type"] == "http.disconnect"
    await body(send, b"rest")
""").channel
        channel.asgi_request("/")
        channel.cancel(is_half=True)
        channel.wait_until_handled()
        gate.touch()
        # The waiting receive() looks again when something happens.
        assert channel.expect(RESPONSE).body == b"piece"
        channel.cancel(is_half=True)
        rest = channel.expect(BODY)
        assert (rest.body, rest.flags) == (b"rest", END)

    def test_what_is_sent_to_it_is_dropped_and_the_call_goes_on(
        self, mold: MoldProcess, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await gate()
    await start(send)
    await body(send, b"for nobody")
    open("afterwards", "w").close()
""").channel
        channel.asgi_request("/")
        channel.wait_until_handled()
        channel.cancel()
        channel.wait_until_handled()
        gate.touch()
        assert channel.expect(FAILED).flags == END
        wait_for_file(mold.folder / "afterwards")
        assert "ERROR" not in mold.stderr

    def test_a_call_that_ignores_it_is_cancelled_after_the_grace_period(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi(
            """
async def handle(scope, receive, send):
    await start(send)
    while True:
        await body(send, b"x" * 1000, True)
""",
            asgi_disconnect_grace_period=0,
        ).channel
        channel.asgi_request("/")
        channel.expect(RESPONSE)
        channel.cancel()
        frames = channel.receive_until_end()
        assert frames[-1].kind == FAILED

    def test_uvicorns_class_lets_such_a_call_go_on(
        self, mold: MoldProcess, start_asgi: StartAsgi, gate: Path
    ) -> None:
        channel = start_asgi(
            """
async def handle(scope, receive, send):
    await gate()
    open("afterwards", "w").close()
""",
            worker_class="uvicorn.workers.UvicornWorker",
            asgi_disconnect_grace_period=0,
        ).channel
        channel.asgi_request("/")
        channel.cancel()
        channel.wait_until_handled()
        channel.wait_until_handled()
        gate.touch()
        wait_for_file(mold.folder / "afterwards")


class TestFaults:
    def test_an_application_that_raises_before_its_response_fails_it(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi(
            "async def handle(scope, receive, send):\n    raise ValueError('early')\n"
        ).channel
        channel.asgi_request("/a", query="b=c")
        assert channel.expect(FAILED).flags == END
        assert "Error handling request GET /a?b=c" in mold.stderr
        assert "ValueError: early" in mold.stderr

    def test_an_application_that_raises_in_its_response_cuts_it(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    await body(send, b"piece", True)
    raise ValueError("late")
""").channel
        channel.asgi_request("/")
        assert channel.expect(RESPONSE).flags == 0
        assert channel.expect(FAILED).flags == END

    def test_an_error_page_may_still_take_the_place_of_a_head_that_was_not_sent(
        self, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
async def handle(scope, receive, send):
    await start(send)
    raise ValueError("in between")
""").channel
        channel.asgi_request("/")
        channel.expect(FAILED)

    def test_an_application_that_exits_does_not_end_its_worker(
        self, mold: MoldProcess, start_asgi: StartAsgi
    ) -> None:
        channel = start_asgi("""
import sys

async def handle(scope, receive, send):
    if scope["path"] == "/exit":
        sys.exit(9)
    await start(send)
    await body(send)
""").channel
        channel.asgi_request("/exit", 1)
        channel.expect(FAILED)
        channel.asgi_request("/", 2)
        channel.expect(RESPONSE)

    @pytest.mark.parametrize(
        ("handler", "message"),
        [
            pytest.param(
                "await body(send, b'x')",
                "RuntimeError: Expected ASGI message 'http.response.start', but got 'http.response.body'.",
                id="a body without a start",
            ),
            pytest.param(
                "await start(send); await start(send)",
                "RuntimeError: Expected ASGI message 'http.response.body', but got 'http.response.start'.",
                id="two starts",
            ),
            pytest.param(
                "await start(send); await body(send); await body(send)",
                "RuntimeError: Unexpected ASGI message 'http.response.body' sent, "
                "after response already completed.",
                id="a body after the last",
            ),
            pytest.param(
                "await send({'type': 'http.response.nonsense'})",
                "Expected ASGI message 'http.response.start', but got 'http.response.nonsense'.",
                id="a message that nobody knows",
            ),
            pytest.param("pass", "ASGI callable returned without starting response.", id="nothing"),
            pytest.param(
                "await start(send)", "ASGI callable returned without completing response.", id="no body"
            ),
            pytest.param("return 5", "ASGI callable should return None, but returned '5'.", id="a result"),
            pytest.param(
                "await start(send, 200, [(b'content-length', b'3')]); await body(send, b'long')",
                "RuntimeError: Response content longer than Content-Length",
                id="more than announced",
            ),
            pytest.param(
                "await start(send, 200, [(b'content-length', b'9')]); await body(send, b'short')",
                "RuntimeError: Response content shorter than Content-Length",
                id="less than announced",
            ),
            pytest.param(
                "await start(send, 200, [(b'x-a', b'b\\r\\nx-c: d')])",
                "RuntimeError: Invalid HTTP header value b'x-a': b'b\\r\\nx-c: d'",
                id="a value with a line end",
            ),
            pytest.param(
                "await start(send, 200, [(b'x-a', b'b\\x00')])",
                "RuntimeError: Invalid HTTP header value",
                id="a value with NUL",
            ),
            pytest.param(
                "await start(send, 200, [(b'x a', b'b')])",
                "RuntimeError: Invalid HTTP header name b'x a'",
                id="a name with a space",
            ),
            pytest.param(
                "await start(send, 200, [('x-a', 'b')])",
                "TypeError: the name of a response header must be bytes, not 'x-a'",
                id="text for a header",
            ),
            pytest.param("await start(send, '200')", "TypeError: the status of a response", id="status text"),
            pytest.param("await start(send, 100)", "ValueError: the status of a response", id="status 100"),
            pytest.param(
                "await start(send); await body(send, 'text')",
                "TypeError: the body of a response must be bytes, not str",
                id="text for a body",
            ),
        ],
    )
    def test_a_fault_is_named_in_the_log(
        self, mold: MoldProcess, start_asgi: StartAsgi, handler: str, message: str
    ) -> None:
        channel = start_asgi(f"async def handle(scope, receive, send):\n    {handler}\n").channel
        channel.asgi_request("/")
        channel.receive_until_end()
        channel.wait_until_handled()
        assert message in mold.stderr
