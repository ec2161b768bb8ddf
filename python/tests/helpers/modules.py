"""Modules that tests write, import and forget."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Imports find modules in the folder; afterwards sys.modules and sys.path are as they were."""
    modules = dict(sys.modules)
    path = list(sys.path)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.clear()
        sys.modules.update(modules)


def write_modules(folder: Path, sources: dict[str, str]) -> None:
    """Writes files, with the folders that they need."""
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
