"""The atoms of the access log, for Python's handlers. src/log/access-format.ts has them for files."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

#: What must not stand as it is: a quotation mark would end a field of the line, a control the line itself.
_UNSAFE: Final = re.compile(r'["\x00-\x1f\x7f-\x9f]')

_NAMED_ATOM: Final = re.compile(r"%\(\{([^)]*)\}([ioe])\)")

#: The whole line of access_log_json, which has its own way to be safe.
JSON_ATOM: Final = "json"

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]


class SafeAtoms(dict[str, Any]):
    """Atoms by name: texts cannot break a line, names in braces have any case, what is missing is "-".

    get() and items() have the values as they are.
    """

    def __getitem__(self, key: str) -> Any:
        value = self.get(key.lower() if key.startswith("{") else key, "-")
        return _UNSAFE.sub(_escape, value) if isinstance(value, str) and key != JSON_ATOM else value


def _escape(match: re.Match[str]) -> str:
    return '\\"' if match[0] == '"' else f"\\x{ord(match[0]):02x}"


def make_atoms(resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> dict[str, Any]:
    """All atoms but those of the process and the time, from Gunicorn's response, request and environ."""
    status = resp.status.split(None, 1)[0] if isinstance(resp.status, str) else resp.status
    sent = getattr(resp, "sent", None)
    microseconds = request_time // timedelta(microseconds=1)
    return {
        "h": environ.get("REMOTE_ADDR") or "-",
        "l": "-",
        "u": basic_user(environ.get("HTTP_AUTHORIZATION")) or "-",
        "r": f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}",
        "s": status,
        "m": environ.get("REQUEST_METHOD"),
        "U": environ.get("PATH_INFO"),
        "q": environ.get("QUERY_STRING"),
        "H": environ.get("SERVER_PROTOCOL"),
        "b": "-" if sent is None else str(sent),
        "B": sent,
        "f": environ.get("HTTP_REFERER", "-"),
        "a": environ.get("HTTP_USER_AGENT", "-"),
        "T": microseconds // 1_000_000,
        "D": microseconds,
        "M": microseconds // 1000,
        "L": f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06}",
        **{"{" + name.lower() + "}i": value for name, value in _pairs(getattr(req, "headers", req))},
        **{"{" + name.lower() + "}o": value for name, value in _pairs(resp.headers)},
        **{"{" + name.lower() + "}e": value for name, value in environ.items()},
    }


def _pairs(fields: Pairs) -> Iterable[tuple[str, Any]]:
    return fields.items() if isinstance(fields, Mapping) else fields


def basic_user(authorization: str | None) -> str | None:
    """The user of Basic authentication (RFC 7617)."""
    scheme, _, pair = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, _ = base64.b64decode(pair.strip()).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if colon else None


def json_line(access_format: str, atoms: Mapping[str, Any], time: float, pid: int) -> str:
    """The line of access_log_json: src/log/access-json.ts writes the same members."""
    moment = datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="milliseconds")
    members: dict[str, object] = {
        "time": moment.replace("+00:00", "Z"),
        "remote_address": _or_none(atoms["h"]),
        "user": _or_none(atoms["u"]),
        "method": atoms["m"],
        "target": _text(atoms.get("{raw_uri}e")),
        "path": _text(atoms["U"]),
        "query": _text(atoms["q"]),
        "protocol": atoms["H"],
        "status": int(atoms["s"]),
        "bytes": atoms["B"],
        "duration_ms": atoms["D"] / 1000,
        "referer": _text(_or_none(atoms["f"])),
        "user_agent": _text(_or_none(atoms["a"])),
        "pid": pid,
    }
    for name, kind in dict.fromkeys(_NAMED_ATOM.findall(access_format)):
        group = {"i": "request_headers", "o": "response_headers", "e": "environ"}[kind]
        further = members.setdefault(group, {})
        assert isinstance(further, dict)
        further[name] = _text(atoms.get(f"{{{name.lower()}}}{kind}"))
    return json.dumps(members, ensure_ascii=False)


def _or_none(value: Any) -> Any:
    return None if value == "-" else value


def _text(value: Any) -> str | None:
    """Octets of a request as text: UTF-8 where they are that, latin-1 otherwise."""
    if value is None:
        return None
    text = str(value)
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
