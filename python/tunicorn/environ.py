"""The parts of a WSGI environ that are the same for every request of a worker (PEP 3333)."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from tunicorn import __version__
from tunicorn.error_log import ErrorStream
from tunicorn.file_wrapper import FileWrapper, PlainFileWrapper
from tunicorn.worker_classes import has_greenlets

if TYPE_CHECKING:
    from tunicorn.config import Config

SERVER_SOFTWARE = f"tunicorn/{__version__}"


def make_template(cfg: Config) -> dict[str, Any]:
    """What each environ begins with."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.errors": ErrorStream(),
        "wsgi.multithread": int(cfg.threads) > 1
        or has_greenlets(str(cfg.settings.get("worker_class", "sync"))),
        "wsgi.multiprocess": int(cfg.workers) > 1,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": PlainFileWrapper if cfg.settings.get("sendfile") is False else FileWrapper,
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
    }


def open_body(body: bytes, is_file: bool) -> io.BufferedIOBase:
    """wsgi.input: the complete request body. A body file is the router's, which removes it."""
    return open(os.fsdecode(body), "rb") if is_file else io.BytesIO(body)
