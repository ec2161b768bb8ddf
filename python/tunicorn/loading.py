"""Which application the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.application import Application, load_application
from tunicorn.interface import check_interface

if TYPE_CHECKING:
    from tunicorn.config import Config
    from tunicorn.interface import Interface


def load_configured(cfg: Config, interface: Interface) -> Application:
    """The application of the settings: a PasteDeploy file comes before a module.

    Raises LoadError, also for an application that is not called by the interface of the worker class.
    """
    if cfg.paste is None:
        application = load_application(str(cfg.wsgi_app))
    else:
        from tunicorn.paste import load_paste_application  # noqa: PLC0415 -- seldom needed

        application = load_paste_application(str(cfg.paste), cfg.raw_paste_global_conf)
    check_interface(application, interface, str(cfg.paste or cfg.wsgi_app), cfg.worker_class_str)
    return application


class ServedApplication:
    """What server and workers have as `app`: it loads the application, unless the mold has done so."""

    def __init__(self, cfg: Config, interface: Interface) -> None:
        self.cfg = cfg
        #: The application, once it is loaded; a hook may set what is to be served.
        self.callable: Application | None = None
        self._interface = interface

    @property
    def app_uri(self) -> str | None:
        """What the settings name."""
        name: str | None = self.cfg.wsgi_app
        return name

    def wsgi(self) -> Application:
        """The application. Raises LoadError."""
        if self.callable is None:
            self.callable = load_configured(self.cfg, self._interface)
        return self.callable
