"""The atoms of the access log, as Python's handlers get them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tunicorn.access_atoms import SafeAtoms, basic_user, json_line, make_atoms

ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": "/caf%C3%A9?x=1",
    "PATH_INFO": "/caf\u00c3\u00a9",
    "QUERY_STRING": "x=1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.7",
    "HTTP_REFERER": "http://from/",
    "HTTP_USER_AGENT": 'say "hi"',
    "HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"ann:x").decode(),
    "REMOTE_USER": "bob",
}


def atoms(sent: int = 8, **environ: object) -> dict[str, Any]:
    response = SimpleNamespace(status="200 OK", headers=[("X-A", "1"), ("X-A", "2")], sent=sent)
    request = SimpleNamespace(headers=[("X-B", "3"), ("X-B", "4")])
    duration = timedelta(seconds=1, microseconds=234568)
    return make_atoms(response, request, {**ENVIRON, **environ}, duration)


def formatted(text: str, sent: int = 8, **environ: object) -> str:
    return text % SafeAtoms(atoms(sent, **environ))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%(h)s %(l)s %(u)s", "192.0.2.7 - ann"),
        ("%(r)s", "GET /caf%C3%A9?x=1 HTTP/1.1"),
        ("%(m)s %(U)s %(q)s %(H)s", "GET /caf\u00c3\u00a9 x=1 HTTP/1.1"),
        ("%(s)s %(B)s %(b)s", "200 8 8"),
        ("%(f)s %(a)s", 'http://from/ say \\"hi\\"'),
        ("%(T)s %(M)s %(D)s %(L)s", "1 1234 1234568 1.234568"),
        ("%({X-B}i)s %({x-a}o)s %({REMOTE_USER}e)s %({remote_user}e)s", "4 2 bob bob"),
        ("%({missing}i)s %(z)s", "- -"),
        ("%(D)010d|%(m)-5s|", "0001234568|GET  |"),
    ],
)
def test_an_atom_is_what_gunicorn_makes_of_it(text: str, expected: str) -> None:
    assert formatted(text) == expected


def test_no_bytes_are_0_which_gunicorn_writes_for_b_too() -> None:
    assert formatted("%(B)s %(b)s", sent=0) == "0 0"


def test_no_client_begins_a_line_of_its_own() -> None:
    assert formatted("%(U)s", PATH_INFO="/a\r\n\x1b[2J") == "/a\\x0d\\x0a\\x1b[2J"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer x", "Basic !", "Basic " + base64.b64encode(b"a").decode()]
)
def test_there_is_no_user_without_basic_authentication(header: str | None) -> None:
    assert basic_user(header) is None


def test_a_json_line_has_the_members_that_the_router_writes_too() -> None:
    line = json_line("%({X-B}i)s %({x-a}o)s %({REMOTE_USER}e)s %({none}i)s", atoms(), 1795218561.1, 7)
    assert json.loads(line) == {
        "time": "2026-11-20T23:49:21.100Z",
        "remote_address": "192.0.2.7",
        "user": "ann",
        "method": "GET",
        "target": "/caf%C3%A9?x=1",
        "path": "/café",
        "query": "x=1",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 8,
        "duration_ms": 1234.568,
        "referer": "http://from/",
        "user_agent": 'say "hi"',
        "pid": 7,
        "request_headers": {"X-B": "4", "none": None},
        "response_headers": {"x-a": "2"},
        "environ": {"REMOTE_USER": "bob"},
    }
