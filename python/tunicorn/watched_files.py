"""For --reload: tells the arbiter which files this worker was made from. The arbiter watches them."""

from __future__ import annotations

import glob
import json
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Final

from tunicorn.exception_chain import chain_of

#: Modules may be imported, and files that a pattern names appear, at any time.
LOOK_SECONDS: Final = 1.0

COMPILED_ENDINGS: Final = (".pyc", ".pyo")


class FileReporter:
    """Keeps a file in the runtime directory with all names. src/arbiter/watch-report.ts reads it."""

    def __init__(self, path: str, generation: int, patterns: list[str]) -> None:
        self._path = path
        self._generation = generation
        self._patterns = patterns
        self._boot_seconds = time.time()
        self._failed: frozenset[str] = frozenset()
        self._reported: frozenset[str] | None = None

    def add_failure(self, error: BaseException) -> None:
        """The application could not be loaded: what failed is watched, and where what is missing may come."""
        self._failed |= files_of(error) | {os.getcwd()}

    def start(self) -> None:
        """Reports now, and from now on whenever there is something new."""
        self._try_to_report()
        threading.Thread(target=self._keep_reporting, name="tunicorn-watched-files", daemon=True).start()

    def _keep_reporting(self) -> None:
        # When the runtime directory is gone, so is the server.
        while os.path.isdir(os.path.dirname(self._path)):
            time.sleep(LOOK_SECONDS)
            self._try_to_report()

    def _try_to_report(self) -> None:
        """A full disk costs the watching, not the worker."""
        with suppress(OSError):
            self.report()

    def report(self) -> None:
        """Writes the report if it would say something new."""
        files = self._failed | module_files() | expand(self._patterns)
        if files == self._reported:
            return
        report = {
            "generation": self._generation,
            # Who was changed between the import and this report is known by its time.
            "bootSeconds": self._boot_seconds if self._reported is None else None,
            "files": sorted(files),
        }
        draft = f"{self._path}.new"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(report, file)
        os.replace(draft, self._path)
        self._reported = files


def module_files() -> frozenset[str]:
    """The source of every module that is imported here."""
    # Not getattr: modules that load themselves lazily would do so.
    files = (getattr(module, "__dict__", {}).get("__file__") for module in tuple(sys.modules.values()))
    return frozenset(_source_of(os.path.abspath(file)) for file in files if isinstance(file, str))


def _source_of(file: str) -> str:
    return file[:-1] if file.endswith(COMPILED_ENDINGS) else file


def expand(patterns: list[str]) -> frozenset[str]:
    """The files of patterns, by the rules of Python's glob; a plain name stands for itself."""
    return frozenset(
        file
        for pattern in patterns
        for file in (glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern])
    )


def files_of(error: BaseException) -> frozenset[str]:
    """The files that an exception, and those that led to it, came through."""
    found: set[str] = set()
    for each in chain_of(error):
        found.update(frame.filename for frame in traceback.extract_tb(each.__traceback__))
        if isinstance(each, SyntaxError) and each.filename is not None:
            found.add(each.filename)
    return frozenset(os.path.abspath(name) for name in found if not name.startswith("<"))
