"""The user's configuration of Python's logging: logconfig_dict, logconfig_json and logconfig."""

from __future__ import annotations

import json
import logging.config
import os
from typing import Any, Final

from tunicorn.log import LoggingConfigError

#: Gunicorn's own: what the user's configuration leaves out at its top level.
CONFIG_DEFAULTS: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stdout",
        },
        "error_console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr",
        },
    },
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "class": "logging.Formatter",
        }
    },
}


def apply_logging_config(cfg: Any) -> None:
    """Applies logconfig_dict, else logconfig_json, else logconfig. Raises LoggingConfigError."""
    if cfg.logconfig_dict:
        _apply("logconfig_dict", cfg.logconfig_dict)
    elif cfg.logconfig_json:
        _apply(f'logconfig_json "{cfg.logconfig_json}"', _read_json(cfg.logconfig_json))
    elif cfg.logconfig:
        _apply_ini(cfg.logconfig)


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with Gunicorn's handlers and formatters beside its own.

    Without them the default root logger, if it leaves that out, would name a handler that is not there.
    """
    merged = {name: {**CONFIG_DEFAULTS[name], **config.get(name, {})} for name in ("handlers", "formatters")}
    return {**config, **merged}


def _apply(what: str, config: Any) -> None:
    if not isinstance(config, dict):
        raise LoggingConfigError(f"Cannot use {what}: want a dictionary, not {type(config).__name__}")
    try:
        logging.config.dictConfig({**CONFIG_DEFAULTS, **with_defaults(config)})
    # Handlers and formatters of the user's own may raise anything.
    except Exception as error:
        raise LoggingConfigError(f"Cannot use {what}: {_reasons(error)}") from error


def _read_json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise LoggingConfigError(f'Cannot read logconfig_json "{path}": {error}') from error


def _apply_ini(path: str) -> None:
    if not os.path.isfile(path):
        raise LoggingConfigError(f'Cannot read logconfig "{path}": there is no such file')
    # What a file may name: its own place, as %(here)s.
    places = {"__file__": path, "here": os.path.dirname(os.path.abspath(path))}
    defaults = {name: place.replace("%", "%%") for name, place in places.items()}
    try:
        logging.config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)
    except KeyError as error:
        reason = f"there is no section or key {error}"
        raise LoggingConfigError(f'Cannot use logconfig "{path}": {reason}') from error
    except Exception as error:
        raise LoggingConfigError(f'Cannot use logconfig "{path}": {_reasons(error)}') from error


def _reasons(error: BaseException) -> str:
    """What dictConfig says ("Unable to configure handler 'x'"), and what was behind it."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    # `raise error from error` makes a circle.
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__
    return ": ".join(dict.fromkeys(str(each) or type(each).__name__ for each in causes))
