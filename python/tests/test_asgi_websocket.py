"""What an asgi worker says for one WebSocket, and what it tells the application."""

from __future__ import annotations

import struct

import pytest

from tests.conftest import RunningWorker, StartWorker
from tests.helpers.deadlines import wait_for_file
from tests.helpers.mold import MoldProcess
from tests.helpers.router import (
    ACCEPT,
    BODY,
    CLOSE,
    END,
    FAILED,
    MESSAGE,
    REQUEST,
    RESPONSE,
    TEXT,
    WEBSOCKET,
    WINDOW,
    WINDOW_BYTES,
    RouterEnd,
    asgi_payload,
    encode,
    response_of,
    window_of,
)

#: What a message takes of a window beside its own bytes.
COST_BYTES = 64

MODULE = """
import asyncio
from urllib.parse import unquote

ACCEPT = {"type": "websocket.accept"}
DENY = {"type": "websocket.http.response.start", "status": 400, "headers": []}
DENIAL = {"type": "websocket.http.response.body", "body": b"no"}
CLOSE = {"type": "websocket.close"}


def say(data):
    return {"type": "websocket.send", **{"text" if isinstance(data, str) else "bytes": data}}


async def application(scope, receive, send):
    '''Sends the messages that the query names; an error is the text of the next one.'''
    assert (await receive())["type"] == "websocket.connect"
    is_open = False
    for message in eval(unquote(scope["query_string"].decode())):
        try:
            if message == "receive":
                received = await receive()
                await send(say(f"{received['type']} {received.get('code')} {received.get('reason')!r}"))
            elif message == "until the end":
                while (await receive())["type"] != "websocket.disconnect":
                    pass
            else:
                await send(message)
                is_open = is_open or message == ACCEPT
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if is_open:
                await send(say(text))
            else:
                await send(DENY)
                await send({**DENIAL, "body": text.encode()})
            return
"""


@pytest.fixture
def worker(start_worker: StartWorker) -> RunningWorker:
    return start_worker(MODULE, worker_class="asgi")


def begin(channel: RouterEnd, messages: str, stream: int = 1) -> None:
    payload = asgi_payload("/", scheme="ws", query=messages)
    channel.send(encode(REQUEST, stream, payload, END | WEBSOCKET))


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("[say('a')]", "RuntimeError: Expected ASGI message 'websocket.accept', 'websocket.close', "),
        ("[DENIAL]", "RuntimeError: Expected ASGI message 'websocket.accept', 'websocket.close', "),
        ("[{**ACCEPT, 'subprotocol': 'a b'}]", "ValueError: the subprotocol 'a b' is not a token"),
        ("[{**ACCEPT, 'subprotocol': 'a\\r\\nX: b'}]", "ValueError: the subprotocol"),
        (
            "[{**ACCEPT, 'headers': [(b'x', b'a\\r\\nb')]}]",
            "RuntimeError: Invalid HTTP header value b'x': b'a",
        ),
    ],
)
def test_a_wrong_answer_to_the_handshake_is_an_error_and_another_may_follow(
    worker: RunningWorker, messages: str, text: str
) -> None:
    begin(worker.channel, messages)
    response = response_of(worker.channel.expect(RESPONSE))
    assert response.status == 400
    assert response.body.decode().startswith(text)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("ACCEPT", "RuntimeError: Expected ASGI message 'websocket.send' or 'websocket.close'"),
        ("DENY", "RuntimeError: Expected ASGI message 'websocket.send' or 'websocket.close'"),
        ("{'type': 'websocket.send'}", "TypeError: websocket.send wants text or bytes"),
        ("{'type': 'websocket.send', 'bytes': 'text'}", "TypeError: websocket.send wants text or bytes"),
        ("{**CLOSE, 'code': 1005}", "ValueError: the close code 1005 cannot be sent"),
        ("{**CLOSE, 'code': 1006}", "ValueError: the close code 1006 cannot be sent"),
        ("{**CLOSE, 'code': 1015}", "ValueError: the close code 1015 cannot be sent"),
        ("{**CLOSE, 'code': 0}", "ValueError: the close code 0 cannot be sent"),
        ("{**CLOSE, 'code': 5000}", "ValueError: the close code 5000 cannot be sent"),
        ("{**CLOSE, 'code': '1000'}", "ValueError: the close code '1000' cannot be sent"),
        (
            "{**CLOSE, 'reason': 62 * '\u00e4'}",
            "ValueError: the reason of a close is 124 bytes, want at most 123",
        ),
    ],
)
def test_a_wrong_message_on_an_open_websocket_is_an_error_and_another_may_follow(
    worker: RunningWorker, message: str, text: str
) -> None:
    begin(worker.channel, f"[ACCEPT, {message}]".replace("\u00e4", "%C3%A4"))
    worker.channel.expect(ACCEPT)
    told = worker.channel.expect(MESSAGE)
    assert told.flags == END | TEXT
    assert told.payload.decode().startswith(text)
    assert worker.channel.expect(BODY).flags == END


def test_accept_carries_the_subprotocol_and_leaves_out_what_the_handshake_says(worker: RunningWorker) -> None:
    headers = "[(b'X-A', b'1'), (b'Sec-WebSocket-Accept', b'x'), (b'sec-websocket-extensions', b'y')]"
    begin(worker.channel, f"[{{**ACCEPT, 'subprotocol': 'chat', 'headers': {headers}}}]")
    accepted = worker.channel.expect(ACCEPT)
    assert accepted.payload == struct.pack("<I", 4) + b"chat" + b"x-a: 1\r\n"


def test_nothing_may_be_sent_after_a_close(worker: RunningWorker) -> None:
    begin(worker.channel, "[ACCEPT, {**CLOSE, 'code': 4000, 'reason': 'so'}, say('late')]")
    worker.channel.expect(ACCEPT)
    closed = worker.channel.expect(CLOSE)
    assert (closed.aux, closed.payload) == (4000, b"so")
    # The application's own answer to the error is one message too many as well.
    assert worker.channel.expect(FAILED).flags == END


def test_the_disconnect_is_told_again_and_again_and_send_raises_after_it(worker: RunningWorker) -> None:
    begin(worker.channel, "[ACCEPT, 'until the end', 'until the end', say('late')]")
    worker.channel.expect(ACCEPT)
    worker.channel.send(encode(CLOSE, 1, b"bye", aux=3000))
    # A client that has left is no error of the application.
    assert worker.channel.expect(FAILED).flags == END


def test_a_message_in_parts_is_one_and_gives_its_room_back_when_it_is_received(worker: RunningWorker) -> None:
    channel = worker.channel
    begin(channel, "[ACCEPT, 'until the end']")
    channel.expect(ACCEPT)
    size = WINDOW_BYTES // 4
    for flags in (TEXT, TEXT | END, 0, END):
        channel.send(encode(MESSAGE, 1, b"a" * size, flags))
    given = window_of(channel.expect(WINDOW)) + window_of(channel.expect(WINDOW))
    assert given == 2 * (2 * size + COST_BYTES)
    channel.send(encode(CLOSE, 1, b"", aux=1000))
    assert channel.expect(BODY).flags == END


def test_send_waits_for_room_and_sends_a_message_to_its_end(worker: RunningWorker) -> None:
    channel = worker.channel
    begin(channel, f"[ACCEPT, say(b'a' * {WINDOW_BYTES}), say('next')]")
    channel.expect(ACCEPT)
    assert len(channel.expect(MESSAGE).payload) == WINDOW_BYTES
    channel.give_room(COST_BYTES)
    channel.wait_until_handled()
    channel.give_room(1)
    assert channel.expect(MESSAGE).payload == b"next"


def test_the_end_of_the_router_is_a_disconnect(start_worker: StartWorker, mold: MoldProcess) -> None:
    worker = start_worker(
        """
import os


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    message = await receive()
    open("telling", "w").write(repr(message))
    os.rename("telling", "told")
""",
        worker_class="asgi",
    )
    begin(worker.channel, "")
    worker.channel.expect(ACCEPT)
    worker.channel.connection.close()
    told = mold.folder / "told"
    wait_for_file(told)
    assert told.read_text() == "{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}"
