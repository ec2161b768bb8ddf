"""The configuration file, and what hooks find as server.cfg."""

from __future__ import annotations

import copy
import os
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tunicorn.config import Address, Config, ConfigError, ConfigFile, read_config_file, to_plain

from tests.helpers.modules import importing_from, write_modules

SETTINGS = ["bind", "workers", "worker_class", "timeout", "graceful_timeout", "raw_env", "wsgi_app"]
HOOKS = {
    "on_starting": ["server"],
    "pre_fork": ["server", "worker"],
    "post_fork": ["server", "worker"],
    "post_request": ["worker", "req", "environ", "resp"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    with importing_from(tmp_path):
        yield tmp_path


def read(location: str = "gunicorn.conf.py") -> ConfigFile:
    return read_config_file(location, SETTINGS, HOOKS)


def read_source(folder: Path, source: str) -> ConfigFile:
    write_modules(folder, {"gunicorn.conf.py": source})
    return read()


def fail(location: str = "gunicorn.conf.py") -> str:
    with pytest.raises(ConfigError) as caught:
        read(location)
    return str(caught.value)


def fail_source(folder: Path, source: str) -> str:
    write_modules(folder, {"gunicorn.conf.py": source})
    return fail()


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("conf/server.py", id="path"),
        pytest.param("./conf/server.py", id="path with a dot"),
        pytest.param("file:conf/server.py", id="file: and a path"),
        pytest.param("{folder}/conf/server.py", id="absolute path"),
        pytest.param("file:{folder}/conf/server.py", id="file: and an absolute path"),
        pytest.param("python:conf.server", id="python: and a module"),
    ],
)
def test_a_configuration_file_is_found(folder: Path, location: str) -> None:
    write_modules(folder, {"conf/__init__.py": "", "conf/server.py": "workers = 3\nbind = 'localhost:1'\n"})
    config = read(location.replace("{folder}", str(folder)))
    values: dict[str, object] = {"workers": 3, "bind": "localhost:1"}
    assert config == ConfigFile(values, {}, {}, [], values)


def test_a_name_without_py_at_its_end_is_a_python_file_too(folder: Path) -> None:
    write_modules(folder, {"settings.conf": "workers = 3\n"})
    assert read("settings.conf").values == {"workers": 3}


@pytest.mark.usefixtures("folder")
def test_dev_null_says_that_there_is_to_be_no_configuration_file() -> None:
    assert read("/dev/null").values == {}


@pytest.mark.parametrize("location", ["nowhere.py", "file:nowhere.py"])
def test_a_configuration_file_that_does_not_exist_is_named(folder: Path, location: str) -> None:
    assert fail(location).startswith(f'Configuration file "{folder}/nowhere.py" does not exist\n  ')


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("gunicorn_conf.py", 'There is "gunicorn.conf.py" in that folder. Did you mean it?'),
        (
            "settings.py",
            "A relative path begins where tunicorn is called, whatever chdir says",
        ),
        ("missing/gunicorn.conf.py", "{folder}/missing is no folder that can be read"),
    ],
)
def test_a_configuration_file_that_does_not_exist_is_looked_for(
    folder: Path, location: str, hint: str
) -> None:
    write_modules(folder, {"gunicorn.conf.py": ""})
    assert fail(location).endswith(f" does not exist\n  {hint.format(folder=folder)}")


def test_a_folder_is_no_configuration_file(folder: Path) -> None:
    write_modules(folder, {"conf/__init__.py": ""})
    assert "is a folder" in fail("conf")


def test_the_configuration_file_knows_its_path(folder: Path) -> None:
    source = "import os\nbind = __file__\nworkers = os.path.exists(__file__)\n"
    assert read_source(folder, source).values == {
        "bind": f"{folder}/gunicorn.conf.py",
        "workers": True,
    }


def test_the_configuration_file_may_import_what_is_in_its_folder(folder: Path) -> None:
    write_modules(folder, {"shared_settings.py": "workers = 5\ntimeout = 7\n"})
    assert read_source(folder, "from shared_settings import *\ntimeout = 9\n").values == {
        "workers": 5,
        "timeout": 9,
    }


def test_annotations_in_the_configuration_file_are_what_they_name(folder: Path) -> None:
    source = "def seconds(given: int): ...\ntimeout = seconds.__annotations__['given']('5')\n"
    assert read_source(folder, source).values == {"timeout": 5}


def test_a_configuration_file_is_run_anew_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = folder / "gunicorn.conf.py"
    path = folder / "gunicorn.conf.py"
    path.write_text("workers = 2\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert read().values == {"workers": 2}
    # Edited within the same second, to the same size: byte code that was kept of it looks current.
    path.write_text("workers = 4\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert read().values == {"workers": 4}


def test_values_that_are_no_settings_are_left_out(folder: Path) -> None:
    source = """
import os
from os import path
from pathlib import Path
_workers = 2
cores = 4
workers = cores * 2
__all__ = ["workers"]
def helper(): pass
class Helper: pass
"""
    assert read_source(folder, source) == ConfigFile({"workers": 8}, {}, {}, [], {"workers": 8})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("worker", "workers"),
        ("wokers", "workers"),
        ("time_out", "timeout"),
        ("gracefull_timeout", "graceful_timeout"),
        ("WORKERS", "workers"),
    ],
)
def test_an_unknown_name_that_looks_like_a_slip_is_told_with_the_nearest_name(
    folder: Path, name: str, meant: str
) -> None:
    assert read_source(folder, f"{name} = 3\n") == ConfigFile({}, {}, {name: meant}, [], {})


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("cores = 3", id="other name"),
        pytest.param("_worker = 3", id="private name"),
        pytest.param("def worker(): pass", id="function"),
        pytest.param("class worker: pass", id="class"),
        pytest.param("import os as worker", id="module"),
        pytest.param("WORKERS = 3\nworkers = WORKERS", id="constant of the file's own"),
        pytest.param("USER = 'shop'\npidfile = f'/run/{USER}.pid'", id="constant beside settings"),
    ],
)
def test_other_names_are_no_slips(folder: Path, source: str) -> None:
    assert read_source(folder, source).slips == {}


@pytest.mark.parametrize(
    ("source", "annotated"),
    [
        pytest.param("workers: 4", ["workers"], id="a value written as in YAML"),
        pytest.param("workers: 4\npost_fork: print", ["workers", "post_fork"], id="a hook, too"),
        pytest.param("from __future__ import annotations\nworkers: 4", ["workers"], id="kept as text"),
        pytest.param("workers: int = 4", [], id="annotated and set"),
        pytest.param("workers: int\nworkers = 4", [], id="annotated, then set"),
        pytest.param("cores: 4", [], id="a name of the file's own"),
        pytest.param("def post_fork(server, worker):\n    workers: 4", [], id="in a function"),
    ],
)
def test_a_setting_that_is_only_annotated_is_told(folder: Path, source: str, annotated: list[str]) -> None:
    config = read_source(folder, source)
    assert config.annotated == annotated
    assert config.slips == {}


def test_a_hook_may_be_a_function(folder: Path) -> None:
    hooks = read_source(folder, "def pre_fork(server, worker):\n    return (server, worker)\n").hooks
    assert list(hooks) == ["pre_fork"]
    assert hooks["pre_fork"](1, 2) == (1, 2)


def test_a_hook_may_be_a_dotted_string(folder: Path) -> None:
    write_modules(
        folder, {"hooks/__init__.py": "", "hooks/forks.py": "def before(s, w):\n    return 'before'\n"}
    )
    hooks = read_source(folder, "pre_fork = 'hooks.forks.before'\n").hooks
    assert hooks["pre_fork"](1, 2) == "before"


def test_a_hook_may_be_any_callable(folder: Path) -> None:
    source = "from functools import partial\npost_fork = partial(max, 3)\n"
    assert read_source(folder, source).hooks["post_fork"](1, 2) == 3


def test_a_hook_is_no_setting(folder: Path) -> None:
    assert read_source(folder, "def pre_fork(server, worker): pass\n").values == {}


@pytest.mark.parametrize(("value", "shown"), [("3", "3"), ("None", "None"), ("['f']", "['f']")])
def test_a_hook_that_is_no_function_is_refused(folder: Path, value: str, shown: str) -> None:
    report = fail_source(folder, f"pre_fork = {value}\n")
    assert report == f"gunicorn.conf.py: The hook pre_fork must be a function, not {shown}"


@pytest.mark.parametrize(
    "dotted",
    [
        pytest.param("no_such_module.before", id="no such module"),
        pytest.param("os.path.no_such_function", id="no such function"),
        pytest.param("before", id="no module"),
        pytest.param("", id="empty"),
        pytest.param("os.path.sep", id="no function"),
    ],
)
def test_a_dotted_hook_that_cannot_be_found_is_an_error_for_the_operator(folder: Path, dotted: str) -> None:
    assert "pre_fork" in fail_source(folder, f"pre_fork = {dotted!r}\n")


@pytest.mark.parametrize(
    ("source", "last"),
    [
        pytest.param("a = 1\nraise RuntimeError('no vault')\n", "RuntimeError: no vault", id="exception"),
        pytest.param("a = 1\nraise SystemExit(3)\n", "SystemExit: 3", id="SystemExit"),
        pytest.param("import sys\nsys.exit('stop here')\n", "SystemExit: stop here", id="sys.exit"),
        pytest.param("a = 1\nraise KeyboardInterrupt\n", "KeyboardInterrupt", id="KeyboardInterrupt"),
        pytest.param(
            "a = 1\nimport not_there\n", "ModuleNotFoundError: No module named 'not_there'", id="import"
        ),
    ],
)
def test_what_the_configuration_file_raises_is_shown_from_its_own_line_on(
    folder: Path, source: str, last: str
) -> None:
    lines = fail_source(folder, source).splitlines()
    assert lines[0] == "Cannot run configuration file gunicorn.conf.py:"
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[2] == f'  File "{folder}/gunicorn.conf.py", line 2, in <module>'
    assert lines[-1] == last


def test_the_traceback_goes_on_into_what_the_configuration_file_calls(folder: Path) -> None:
    write_modules(folder, {"vault.py": "def ask():\n    raise RuntimeError('no vault')\n"})
    report = fail_source(folder, "import vault\nvault.ask()\n")
    assert f'  File "{folder}/vault.py", line 2, in ask' in report.splitlines()


def test_a_syntax_error_shows_its_file_and_line(folder: Path) -> None:
    lines = fail_source(folder, "workers = 3\nbind = \n").splitlines()
    assert f'  File "{folder}/gunicorn.conf.py", line 2' in lines
    assert lines[-1].startswith("SyntaxError: ")


def test_a_module_that_raises_is_shown_from_its_own_line_on(folder: Path) -> None:
    write_modules(folder, {"settings.py": "a = 1\nraise RuntimeError('no vault')\n"})
    lines = fail("python:settings").splitlines()
    assert lines[0] == "Cannot run configuration file python:settings:"
    assert lines[2] == f'  File "{folder}/settings.py", line 2, in <module>'
    assert lines[-1] == "RuntimeError: no vault"


@pytest.mark.usefixtures("folder")
def test_a_module_that_is_not_there_is_an_error_for_the_operator() -> None:
    message = fail("python:not_there")
    assert message.startswith("Cannot run configuration file python:not_there:\n")
    assert message.endswith("ModuleNotFoundError: No module named 'not_there'")


class Outer:
    """A class whose dotted path has a class in it."""

    class Inner:
        """The inner one."""


class TextPath(os.PathLike[str]):
    """A path that is no pathlib.Path."""

    def __fspath__(self) -> str:
        return "/path"

    def __str__(self) -> str:
        return "/path"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(None, None, id="None"),
        pytest.param(True, True, id="bool"),
        pytest.param(3, 3, id="int"),
        pytest.param(0.5, 0.5, id="float"),
        pytest.param("text", "text", id="text"),
        pytest.param([1, ("a", None)], [1, ["a", None]], id="list and tuple"),
        pytest.param({"a"}, ["a"], id="set"),
        pytest.param(frozenset(["a"]), ["a"], id="frozenset"),
        pytest.param({"a": (1, 2), 3: None}, {"a": [1, 2], "3": None}, id="dict"),
        pytest.param(OrderedDict(a=1), {"a": 1}, id="ordered dict"),
        pytest.param(OrderedDict, "collections.OrderedDict", id="class"),
        pytest.param(Outer.Inner, f"{__name__}.Outer.Inner", id="class in a class"),
        pytest.param([OrderedDict], ["collections.OrderedDict"], id="class in a list"),
        pytest.param(Path("/a/b"), "/a/b", id="path"),
        pytest.param(TextPath(), "/path", id="other path"),
        pytest.param(b"octets", "b'octets'", id="octets"),
    ],
)
def test_a_value_becomes_what_json_can_carry(value: object, plain: object) -> None:
    assert to_plain(value) == plain


def test_a_class_as_worker_class_becomes_its_dotted_path(folder: Path) -> None:
    write_modules(folder, {"own_workers.py": "class OwnWorker: pass\n"})
    config = read_source(folder, "from own_workers import OwnWorker\nworker_class = OwnWorker\n")
    assert config.values == {"worker_class": "own_workers.OwnWorker"}


def hook(*_arguments: object) -> str:
    return "hook"


@pytest.fixture
def cfg() -> Config:
    return Config(
        {"workers": 3, "bind": ["a:1", "b:2"], "raw_env": ["A=1", "B=x=y", "C="]}, {"pre_fork": hook}
    )


def test_settings_and_hooks_are_attributes(cfg: Config) -> None:
    assert cfg.workers == 3
    assert cfg.pre_fork() == "hook"
    assert cfg.settings["workers"] == 3


@pytest.mark.parametrize("name", ["wokers", "_private", "__wrapped__"])
def test_an_unknown_attribute_is_named(cfg: Config, name: str) -> None:
    with pytest.raises(AttributeError, match=f"tunicorn's cfg has no attribute '{name}'"):
        getattr(cfg, name)


def test_a_slip_and_what_cannot_be_done_are_answered_with_what_can(cfg: Config) -> None:
    with pytest.raises(AttributeError, match="did you mean 'workers'\\?"):
        _ = cfg.worker
    with pytest.raises(AttributeError, match="set them in the configuration file"):
        cfg.set("workers", 4)


def test_a_hook_is_found_by_its_name(cfg: Config) -> None:
    assert cfg.hook("pre_fork") is hook
    assert cfg.hook("post_fork") is None


def test_the_environment_is_a_mapping(cfg: Config) -> None:
    assert cfg.env == {"A": "1", "B": "x=y", "C": ""}


@pytest.mark.parametrize("settings", [{}, {"raw_env": None}, {"raw_env": []}], ids=repr)
def test_without_raw_env_the_environment_is_empty(settings: dict[str, Any]) -> None:
    assert Config(settings, {}).env == {}


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("tcp://Example.org:80", ("example.org", 80)),
        ("[::1]:8000", ("::1", 8000)),
        ("[::1]", ("::1", 8000)),
        ("localhost", ("localhost", 8000)),
        ("8080", ("0.0.0.0", 8080)),
        (":8080", ("0.0.0.0", 8080)),
        ("unix:/run/a.sock", "/run/a.sock"),
        ("unix:///run/a.sock", "/run/a.sock"),
        ("fd://3", 3),
    ],
)
def test_the_addresses_have_gunicorns_form(bind: str, address: Address) -> None:
    assert Config({"bind": [bind]}, {}).address == [address]


def test_without_bind_there_is_no_address() -> None:
    assert Config({}, {}).address == []


def test_a_config_can_be_copied(cfg: Config) -> None:
    assert copy.copy(cfg).workers == 3
    assert copy.deepcopy(cfg).bind == ["a:1", "b:2"]


def test_the_configuration_file_is_a_module_of_its_own_name(folder: Path) -> None:
    read_source(folder, "workers = 3\n")
    assert sys.modules["__config__"].__file__ == f"{folder}/gunicorn.conf.py"
