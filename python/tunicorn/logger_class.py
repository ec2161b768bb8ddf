"""The setting logger_class: finding the class, and making the logger of this process with it."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from tunicorn.config import Config
from tunicorn.log import Logger, LoggingConfigError
from tunicorn.tracebacks import user_traceback

if TYPE_CHECKING:
    from tunicorn.hooks import Hook
    from tunicorn.identity import Identity
    from tunicorn.statsd import StatsdAddress

#: Names of the classes that tunicorn has itself; src/arbiter/log-settings.ts has them too.
OWN_NAMES: Final = (
    "simple",
    "gunicorn.glogging.Logger",
    "gunicorn.instrument.statsd.Statsd",
    "tunicorn.log.Logger",
    "tunicorn.statsd.StatsdLogger",
)

#: What is called on a logger; a class that lacks one of them is refused at once.
NEEDED_METHODS: Final = (
    *("critical", "error", "warning", "info", "debug", "exception", "log"),
    *("access", "reopen_files"),
)

ENTRY_POINTS: Final = "gunicorn.loggers"


class LoggerError(Exception):
    """There can be no logger; the text is for the operator."""


class LoggerConfig(Config):
    """The settings as loggers get them: in Gunicorn's types, and with what the mold knows beside them."""

    def __init__(
        self,
        settings: Mapping[str, object],
        hooks: Mapping[str, Hook],
        *,
        originals: Mapping[str, object],
        identity: Identity,
        is_access_relayed: bool,
    ) -> None:
        super().__init__(settings, hooks)
        self._originals = originals
        self._identity = identity
        #: Access records come to the log process, and not to a file that the router writes.
        self.is_access_relayed = is_access_relayed

    @property
    def logconfig_dict(self) -> object:
        """As the configuration file has it: it may hold classes and objects, which the arbiter cannot."""
        config = self._originals.get("logconfig_dict") or self.settings["logconfig_dict"]
        if not isinstance(config, dict) or not config:
            return config
        from tunicorn.logging_config import with_defaults  # noqa: PLC0415 -- seldom needed

        # Here, so that Gunicorn's own class finds them too.
        return with_defaults(config)

    @property
    def statsd_host(self) -> StatsdAddress | None:
        """A path, or host and port."""
        written = self.settings["statsd_host"]
        if written is None:
            return None
        from tunicorn.statsd import parse_statsd_address  # noqa: PLC0415 -- seldom needed

        return parse_statsd_address(str(written))

    @property
    def user(self) -> int:
        """Whom log files are to belong to."""
        return os.geteuid() if self._identity.uid is None else self._identity.uid

    @property
    def group(self) -> int:
        """The group that log files are to belong to."""
        return os.getegid() if self._identity.gid is None else self._identity.gid


def make_logger(cfg: LoggerConfig) -> Logger:
    """The logger of the settings. Raises LoggerError, or OSError when a log cannot be opened."""
    name = str(cfg.settings["logger_class"])
    logger_class: Any = Logger
    if name in OWN_NAMES:
        if cfg.statsd_host is not None:
            from tunicorn.statsd import StatsdLogger  # noqa: PLC0415 -- seldom needed

            logger_class = StatsdLogger
    else:
        logger_class = _find(name)
        _check(name, logger_class, cfg)
    try:
        install = getattr(logger_class, "install", None)
        if install is not None:
            install()
        return cast(Logger, logger_class(cfg))
    except OSError:
        raise
    except LoggingConfigError as error:
        raise LoggerError(str(error)) from error
    except Exception as error:
        raise LoggerError(f'The logger_class "{name}" raised\n{user_traceback(error)}') from error


def _find(name: str) -> Any:
    module_name, _, attribute = name.replace(":", ".").rpartition(".")
    if not module_name:
        return _find_entry_point(name)
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except AttributeError as error:
        raise LoggerError(f'Cannot find logger_class "{name}": {error}') from error
    # Whatever the module's own code raises is shown to the operator.
    except Exception as error:
        raise LoggerError(f'Cannot import logger_class "{name}":\n{user_traceback(error)}') from error


def _find_entry_point(name: str) -> Any:
    from importlib.metadata import entry_points  # noqa: PLC0415 -- seldom needed, and slow to import

    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return entry.load()
    raise LoggerError(
        f'Cannot find logger_class "{name}": want package.module.Class, simple, or the name of an entry '
        f"point in the group {ENTRY_POINTS}"
    )


def _check(name: str, logger_class: Any, cfg: LoggerConfig) -> None:
    if not inspect.isclass(logger_class):
        raise LoggerError(f'logger_class "{name}" is {logger_class!r}, want a class')
    missing = [method for method in NEEDED_METHODS if not callable(getattr(logger_class, method, None))]
    if missing:
        raise LoggerError(
            f'logger_class "{name}" has no {", ".join(missing)}; derive it from gunicorn.glogging.Logger'
        )
    unknown = [] if issubclass(logger_class, Logger) else ["access_log_json", "error_log_json"]
    ignored = [setting for setting in unknown if cfg.settings[setting]]
    if ignored:
        raise LoggerError(
            f'logger_class "{name}" knows nothing of {" and ".join(ignored)}: derive it from '
            "tunicorn.log.Logger, or let it write JSON itself"
        )
