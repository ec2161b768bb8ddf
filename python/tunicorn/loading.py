"""Which application the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.application import Application, load_application
from tunicorn.paste import load_paste_application

if TYPE_CHECKING:
    from tunicorn.config import Config


def load_configured(cfg: Config) -> Application:
    """The application of the settings: a PasteDeploy file comes before a module."""
    if cfg.paste is None:
        return load_application(str(cfg.wsgi_app))
    return load_paste_application(str(cfg.paste), cfg.raw_paste_global_conf)
