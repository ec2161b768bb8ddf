"""What becomes of the field Server where a configuration file assigns to Gunicorn's names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tunicorn.config import read_config_file
from tunicorn.gunicorn_names import lend_names
from tunicorn.hook_objects import HookResponse

from tests.helpers.modules import importing_from, write_modules

#: As it stands in the recipes that are in use.
WRAPPED = """
import gunicorn.http.wsgi
from functools import wraps

def wrap_default_headers(func):
    @wraps(func)
    def default_headers(*args, **kwargs):
        return [header for header in func(*args, **kwargs) if not header.startswith('Server: ')]
    return default_headers

Response = gunicorn.http.wsgi.Response
Response.default_headers = wrap_default_headers(Response.default_headers)
"""

DERIVED = """
from gunicorn.http import wsgi

class Response(wsgi.Response):
    def default_headers(self, *args, **kwargs):
        headers = super().default_headers(*args, **kwargs)
        return [h if not h.startswith('Server:') else 'Server: Apache\\r\\n' for h in headers]

wsgi.Response = Response
"""

RAISING = """
import gunicorn.http.wsgi

def default_headers(self):
    return self.sock.headers()

gunicorn.http.wsgi.Response.default_headers = default_headers
"""


@pytest.fixture(params=["Gunicorn is installed", "Gunicorn is not installed"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the configuration file. Modules of Gunicorn are imported, and changed, anew."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    # The file may replace it.
    monkeypatch.setattr(HookResponse, "default_headers", HookResponse.default_headers)
    lend_names()
    if request.param == "Gunicorn is not installed":
        sys.meta_path.insert(0, sys.meta_path.pop())
    with importing_from(tmp_path):
        for name in [name for name in sys.modules if name.partition(".")[0] == "gunicorn"]:
            del sys.modules[name]
        yield tmp_path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("import gunicorn\ngunicorn.SERVER = 'web'", "web", id="gunicorn.SERVER"),
        pytest.param(
            "import gunicorn.http.wsgi as w\nw.SERVER = 'web'", "web", id="gunicorn.http.wsgi.SERVER"
        ),
        pytest.param(WRAPPED, "", id="default_headers is wrapped"),
        pytest.param(DERIVED, "Apache", id="Response is replaced"),
        pytest.param(RAISING, None, id="default_headers wants a connection"),
        pytest.param("from gunicorn.http.wsgi import Response", None, id="an import alone"),
        pytest.param(WRAPPED + "server_header = 'own'", "own", id="the setting comes first"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_what_the_file_does_to_gunicorns_names_is_the_setting(
    folder: Path, source: str, expected: str | None
) -> None:
    write_modules(folder, {"gunicorn.conf.py": source})
    read = read_config_file(str(folder / "gunicorn.conf.py"), ["server_header"], {})
    assert read.values.get("server_header") == expected
