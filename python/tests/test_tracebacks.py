"""Tracebacks of what the user's code raised."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from tunicorn.server import Server
from tunicorn.tracebacks import user_traceback

from tests.helpers.modules import importing_from, write_modules


def test_the_cause_is_told_as_well() -> None:
    def raise_it() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer") from error

    with pytest.raises(RuntimeError) as raised:
        raise_it()
    text = user_traceback(raised.value)
    assert text.endswith("RuntimeError: outer")
    assert "KeyError: 'inner'" in text


def test_the_frames_are_those_of_the_users_files(tmp_path: Path) -> None:
    source = "import importlib\nimportlib.import_module('inner_shop')\n"
    write_modules(tmp_path, {"outer_shop.py": source, "inner_shop.py": "raise ValueError('no vault')\n"})
    with importing_from(tmp_path), pytest.raises(ValueError) as raised:
        importlib.import_module("outer_shop")
    files = [line for line in user_traceback(raised.value).splitlines() if line.startswith("  File")]
    assert f'"{tmp_path}/outer_shop.py", line 2' in files[-2]
    assert f'"{tmp_path}/inner_shop.py", line 1' in files[-1]


def test_the_frames_of_the_server_are_left_out_wherever_they_stand() -> None:
    class Shop(Server):
        def __init__(self) -> None:
            """Has nothing of a server."""

        @property
        def cfg(self) -> object:  # type: ignore[override]  # what it raises is what is tested
            raise ValueError("no vault")

    with pytest.raises(ValueError) as raised:
        Shop().run_hook("on_exit")
    text = user_traceback(raised.value)
    assert "in run_hook" not in text
    assert "in cfg" in text
