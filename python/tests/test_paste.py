"""Applications that a PasteDeploy file makes, and the server runner for its [server:] section."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tunicorn.application import EXIT_APPLICATION_LOAD, EXIT_WORKER_BOOT, LoadError
from tunicorn.paste import load_paste_application, parse_globals

from tests.helpers.modules import importing_from, write_modules

SHOP: Final = """
def make(global_conf, **local):
    return lambda environ, start_response: [repr((global_conf.get("colour"), local)).encode()]

def broken(global_conf):
    return {}["database"]
"""

FILE: Final = """
[app:main]
paste.app_factory = shop:make
greeting = hello

[app:other]
paste.app_factory = shop:make
greeting = %(colour)s

[app:broken]
paste.app_factory = shop:broken

[server:main]
paste.server_runner = tunicorn.pserve:serve
host = 127.0.0.1
port = 8080
Workers = 3
"""


@pytest.fixture
def location(tmp_path: Path) -> Iterator[str]:
    """A PasteDeploy file beside the module that it names."""
    write_modules(tmp_path, {"shop.py": SHOP, "shop.ini": FILE})
    with importing_from(tmp_path):
        yield str(tmp_path / "shop.ini")


def answer(location: str, raw_globals: list[str]) -> object:
    return list(load_paste_application(location, raw_globals)({}, None))


def test_the_main_section_is_the_application_where_none_is_named(location: str) -> None:
    assert answer(location, []) == [b"(None, {'greeting': 'hello'})"]


def test_a_named_section_gets_the_global_variables(location: str) -> None:
    assert answer(f"{location}#other", ["colour=red"]) == [b"('red', {'greeting': 'red'})"]


def test_an_equals_sign_in_a_key_is_escaped() -> None:
    assert parse_globals([r"a\=b=c=d", "e="]) == {"a=b": "c=d", "e": ""}


@pytest.mark.parametrize(
    ("section", "says"), [("none", "No section 'none'"), ("other", "Bad value substitution")]
)
def test_what_is_wrong_with_the_file_is_said_without_a_traceback(
    location: str, section: str, says: str
) -> None:
    with pytest.raises(LoadError) as raised:
        load_paste_application(f"{location}#{section}", [])
    assert raised.value.exit_status == EXIT_APPLICATION_LOAD
    assert says in raised.value.report
    assert "Traceback" not in raised.value.report


def test_a_factory_that_raises_is_shown_with_its_traceback(location: str) -> None:
    with pytest.raises(LoadError) as raised:
        load_paste_application(f"{location}#broken", [])
    assert raised.value.exit_status == EXIT_WORKER_BOOT
    assert "in broken" in raised.value.report
    assert "KeyError: 'database'" in raised.value.report


def test_a_missing_package_is_named(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paste.deploy", None)
    with pytest.raises(LoadError) as raised:
        load_paste_application(location, [])
    assert "pip install PasteDeploy" in raised.value.report


#: What pserve does with a file, with a program that shows its arguments in Node's place.
PSERVE: Final = """
import sys
from paste.deploy import loadapp, loadserver
from tunicorn import launcher
launcher.find_node = lambda: "/bin/echo"
options = dict(global_conf={"colour": "red"})
loadserver("config:" + sys.argv[1], **options)(loadapp("config:" + sys.argv[1], **options))
"""


def test_the_server_section_gives_its_settings_to_the_command(location: str) -> None:
    folder = str(Path(location).parent)
    ended = subprocess.run(
        [sys.executable, "-c", PSERVE, location],
        env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{folder}"},
        capture_output=True,
        text=True,
        check=True,
    )
    arguments = ended.stdout.split()
    assert arguments[arguments.index("--paste") :] == [
        *("--paste", location, "--paste-global", "colour=red"),
        *("--paste-setting", "workers=3", "--paste-setting", "bind=127.0.0.1:8080"),
    ]
