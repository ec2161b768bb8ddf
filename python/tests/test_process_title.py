"""Process titles."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tunicorn.process_title import set_process_title

from tests.helpers.modules import importing_from, write_modules


def test_the_title_is_given_to_setproctitle(tmp_path: Path) -> None:
    source = "titles = []\n\ndef setproctitle(title):\n    titles.append(title)\n"
    write_modules(tmp_path, {"setproctitle.py": source})
    with importing_from(tmp_path):
        sys.modules.pop("setproctitle", None)
        set_process_title("tunicorn: mold [shop]")
        assert sys.modules["setproctitle"].titles == ["tunicorn: mold [shop]"]


def test_without_setproctitle_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules makes the import fail.
    monkeypatch.setitem(sys.modules, "setproctitle", None)
    set_process_title("tunicorn: mold [shop]")
