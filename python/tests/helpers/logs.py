"""The settings of section Logging, for loggers that a test makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tunicorn.identity import Identity
from tunicorn.log import Logger
from tunicorn.logger_class import LoggerConfig

LOG_SETTINGS: Final[Mapping[str, object]] = {
    "accesslog": None,
    "disable_redirect_access_to_syslog": False,
    "access_log_format": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
    "access_log_json": False,
    "errorlog": "-",
    "error_log_json": False,
    "loglevel": "info",
    "capture_output": False,
    "logger_class": "gunicorn.glogging.Logger",
    "logconfig": None,
    "logconfig_dict": {},
    "logconfig_json": None,
    "syslog_addr": "udp://localhost:514",
    "syslog": False,
    "syslog_prefix": None,
    "syslog_facility": "user",
    "statsd_host": None,
    "dogstatsd_tags": "",
    "statsd_prefix": "",
}


def logger_config(*, is_access_relayed: bool = True, **settings: Any) -> LoggerConfig:
    """What a logger is made with."""
    return LoggerConfig(
        {**LOG_SETTINGS, "wsgi_app": "shop:app", **settings},
        {},
        originals={},
        identity=Identity(None, None),
        is_access_relayed=is_access_relayed,
    )


def set_up(logger: Logger, path: object, level: str = "info", **settings: Any) -> None:
    """Sends the error log of a logger to a file, or to standard error for "-"."""
    logger.setup(logger_config(errorlog=str(path), loglevel=level, **settings))
