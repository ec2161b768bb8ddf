"""What a worker says for --reload about the files that it was made from."""

from __future__ import annotations

import json
import os
import sys
import time
import types
from pathlib import Path

import pytest
from tunicorn.watched_files import FileReporter, expand, files_of, module_files

from tests.helpers.deadlines import deadline
from tests.helpers.modules import importing_from, write_modules


def test_module_files_are_the_sources_of_what_is_imported(tmp_path: Path) -> None:
    write_modules(tmp_path, {"shop/__init__.py": "", "shop/views.py": "", "shop/unused.py": ""})
    with importing_from(tmp_path):
        __import__("shop.views")
        files = module_files()
    assert {str(tmp_path / "shop/__init__.py"), str(tmp_path / "shop/views.py")} <= files
    assert str(tmp_path / "shop/unused.py") not in files
    assert json.__file__ in files


def test_a_compiled_module_stands_for_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("compiled")
    module.__file__ = "/srv/compiled.pyc"
    monkeypatch.setitem(sys.modules, "compiled", module)
    assert "/srv/compiled.py" in module_files()


def test_a_module_that_loads_itself_lazily_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(types.ModuleType):
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    module_files()


def test_patterns_follow_glob_and_plain_names_stand_for_themselves(tmp_path: Path) -> None:
    write_modules(tmp_path, {"t/a.html": "", "t/deep/b.html": "", "t/.hidden.html": "", "t/c.txt": ""})
    assert expand([f"{tmp_path}/t/**/*.html", f"{tmp_path}/missing.ini"]) == {
        *(f"{tmp_path}/t/a.html", f"{tmp_path}/t/deep/b.html"),
        f"{tmp_path}/missing.ini",
    }


@pytest.mark.parametrize("broken", ["raise KeyError", "x = = 1", "import missing_module"])
def test_the_files_of_a_failed_import_are_those_that_it_came_through(tmp_path: Path, broken: str) -> None:
    write_modules(tmp_path, {"outer_shop.py": "import inner_shop", "inner_shop.py": broken})
    with importing_from(tmp_path), pytest.raises(BaseException) as raised:
        __import__("outer_shop")
    found = files_of(raised.value)
    assert {str(tmp_path / "outer_shop.py"), str(tmp_path / "inner_shop.py")} <= found
    assert not [name for name in found if "<" in name]


def test_the_cause_of_an_exception_counts_too(tmp_path: Path) -> None:
    error = RuntimeError("wrapped")
    error.__cause__ = SyntaxError("invalid", (str(tmp_path / "a.py"), 1, 1, "x = = 1"))
    assert str(tmp_path / "a.py") in files_of(error)


def test_an_exception_that_was_raised_from_itself_is_read_to_its_end(tmp_path: Path) -> None:
    broken = "try:\n    import missing_module\nexcept ImportError as error:\n    raise error from error\n"
    write_modules(tmp_path, {"outer_shop.py": broken})
    with importing_from(tmp_path), pytest.raises(ImportError) as raised:
        __import__("outer_shop")
    with deadline():
        assert str(tmp_path / "outer_shop.py") in files_of(raised.value)


def test_a_report_is_written_when_it_says_something_new(tmp_path: Path) -> None:
    path = tmp_path / "watch-1"
    before = time.time()
    reporter = FileReporter(str(path), 7, [f"{tmp_path}/*.html"])
    reporter.report()
    first = json.loads(path.read_text())
    assert first["generation"] == 7
    assert before <= first["bootSeconds"] <= time.time()
    assert json.__file__ in first["files"]

    path.unlink()
    reporter.report()
    assert not path.exists()

    (tmp_path / "page.html").write_text("")
    reporter.report()
    second = json.loads(path.read_text())
    assert second["bootSeconds"] is None
    assert set(second["files"]) - set(first["files"]) == {str(tmp_path / "page.html")}


def test_after_a_failure_the_working_folder_is_watched_for_a_module_that_comes(tmp_path: Path) -> None:
    path = tmp_path / "watch-1"
    reporter = FileReporter(str(path), 1, [])
    reporter.add_failure(ModuleNotFoundError("No module named 'shop'"))
    reporter.report()
    assert os.getcwd() in json.loads(path.read_text())["files"]
