"""The setting logger_class, and Gunicorn's names for its classes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tunicorn.access_atoms import SafeAtoms
from tunicorn.config import Config
from tunicorn.gunicorn_names import MODULES, lend_names
from tunicorn.hook_objects import HookRequest, HookResponse
from tunicorn.log import Logger
from tunicorn.logger_class import LoggerError, make_logger
from tunicorn.server import Server
from tunicorn.statsd import StatsdLogger

from tests.helpers.logs import logger_config
from tests.helpers.modules import write_modules


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logger: Logger) -> Iterator[Path]:
    """A folder of modules; after the fixture logger, which cleans up."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    lend_names()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def _without_gunicorn(folder: Path) -> None:
    """As if Gunicorn were not installed: what stands for it is found first."""
    sys.meta_path.insert(0, sys.meta_path.pop())


def make(folder: Path, source: str, **settings: Any) -> Logger:
    write_modules(folder, {"own.py": source})
    return make_logger(logger_config(logger_class="own.Own", **settings))


@pytest.mark.parametrize("name", ["simple", "gunicorn.glogging.Logger", "tunicorn.log.Logger"])
def test_the_default_has_several_names(logger: Logger, name: str) -> None:
    assert type(make_logger(logger_config(logger_class=name))) is Logger


def test_the_default_counts_where_there_is_a_statsd_server(logger: Logger) -> None:
    assert type(make_logger(logger_config(statsd_host="127.0.0.1:1"))) is StatsdLogger


@pytest.mark.usefixtures("_without_gunicorn")
def test_a_class_derives_from_gunicorns_by_gunicorns_name(folder: Path, log_path: Path) -> None:
    source = (
        "from gunicorn import glogging\n"
        "class Own(glogging.Logger):\n"
        "    error_fmt = 'own %(message)s'\n"
        "    atoms_wrapper_class = glogging.SafeAtoms\n"
    )
    made = make(folder, source, errorlog=str(log_path))
    made.info("hello")
    assert log_path.read_text() == "own hello\n"
    assert isinstance(made, Logger)
    assert made.atoms_wrapper_class is SafeAtoms


@pytest.mark.usefixtures("_without_gunicorn")
def test_all_of_gunicorns_names_are_there(folder: Path) -> None:
    write_modules(
        folder,
        {
            "names.py": "import gunicorn, gunicorn.instrument.statsd\nfrom gunicorn.glogging import *\n"
            "from gunicorn.glogging import CONFIG_DEFAULTS, Logger\n"
            "from gunicorn.instrument.statsd import Statsd\nimport gunicorn.workers\n"
            "from gunicorn.arbiter import Arbiter\nfrom gunicorn.config import Config\n"
            "from gunicorn.http import Request\nfrom gunicorn.http import message\n"
            "from gunicorn.http.wsgi import Response\n"
            "version = gunicorn.__version__\n"
        },
    )
    names = importlib.import_module("names")
    assert names.Statsd is StatsdLogger
    # What hooks get, so that they may be annotated.
    assert (names.Arbiter, names.Config, names.Response) == (Server, Config, HookResponse)
    assert names.Request is names.message.Request is HookRequest
    assert names.Logger is Logger
    assert names.CONFIG_DEFAULTS["version"] == 1
    assert names.version.count(".") == 2
    assert set(MODULES) <= set(sys.modules)


def test_an_installed_gunicorn_goes_before_the_names(folder: Path) -> None:
    write_modules(folder, {"gunicorn/__init__.py": "", "gunicorn/glogging.py": "class Logger: real = True\n"})
    assert importlib.import_module("gunicorn.glogging").Logger.real
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("gunicorn.instrument.statsd")


def test_install_is_called_before_the_class_is_used(folder: Path) -> None:
    source = (
        "from gunicorn.glogging import Logger\n"
        "class Own(Logger):\n"
        "    steps = []\n"
        "    @classmethod\n"
        "    def install(cls): cls.steps.append('install')\n"
        "    def setup(self, cfg): self.steps.append(cfg.loglevel)\n"
    )
    assert make(folder, source, loglevel="debug").steps == ["install", "debug"]  # type: ignore[attr-defined]  # of the source's class


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "Cannot find logger_class \"own.Own\": module 'own' has no attribute 'Own'"),
        ("1 / 0", "ZeroDivisionError"),
        ("import nowhere", "No module named 'nowhere'"),
        ("Own = 3", "is 3, want a class"),
        (
            "class Own: pass",
            "has no critical, error, warning, info, debug, exception, log, access, reopen_files",
        ),
        (
            "from gunicorn.glogging import Logger\nclass Own(Logger):\n"
            "    def setup(self, cfg): raise ValueError('no collector')\n",
            "raised\nTraceback",
        ),
    ],
)
def test_a_class_that_cannot_be_is_named(folder: Path, source: str, message: str) -> None:
    with pytest.raises(LoggerError) as raised:
        make(folder, source)
    assert message in str(raised.value)
    assert "python/tunicorn" not in str(raised.value)


def test_a_name_without_a_dot_may_be_an_entry_point(folder: Path) -> None:
    with pytest.raises(LoggerError, match=r"the name of an entry point in the group gunicorn\.loggers"):
        make_logger(logger_config(logger_class="own"))
    write_modules(
        folder,
        {
            "own.py": "from gunicorn.glogging import Logger\nclass Own(Logger): pass\n",
            "own-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: own\nVersion: 1\n",
            "own-1.dist-info/entry_points.txt": "[gunicorn.loggers]\nown = own:Own\n",
        },
    )
    assert type(make_logger(logger_config(logger_class="own"))).__name__ == "Own"


STRANGER = "class Own:\n" + "".join(
    f"    def {name}(self, *args, **options): pass\n"
    for name in (
        *("__init__", "critical", "error", "warning", "info", "debug", "exception", "log"),
        *("access", "reopen_files"),
    )
)


def test_json_lines_are_refused_where_the_class_does_not_know_them(folder: Path) -> None:
    make(folder, STRANGER)
    with pytest.raises(LoggerError, match="knows nothing of access_log_json and error_log_json"):
        make(folder, STRANGER, access_log_json=True, error_log_json=True)


def test_loggers_get_settings_in_gunicorns_types(logger: Logger) -> None:
    cfg = logger_config(statsd_host="localhost:1")
    assert cfg.statsd_host == ("localhost", 1)
    assert (cfg.user, cfg.group) == (os.geteuid(), os.getegid())
    assert cfg.proc_name == "shop:app"
