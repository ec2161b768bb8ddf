"""logconfig_dict, logconfig_json and logconfig."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tunicorn.log import Logger, LoggingConfigError

from tests.helpers.deadlines import deadline
from tests.helpers.logs import logger_config


@pytest.fixture(autouse=True)
def _root_as_before(logger: Logger) -> Iterator[None]:
    """These configure the root logger too."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logger.error_log.propagate = logger.access_log.propagate = False


def configuration(path: Path) -> dict[str, object]:
    return {
        "formatters": {"plain": {"format": "%(name)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "plain"}},
        "root": {"level": "INFO", "handlers": []},
        "loggers": {"gunicorn.error": {"level": "DEBUG", "handlers": ["file"], "propagate": False}},
    }


def ini(path: Path) -> str:
    return f"""
[loggers]
keys=root,error
[handlers]
keys=file
[formatters]
keys=plain
[logger_root]
handlers=
[logger_error]
level=DEBUG
handlers=file
propagate=0
qualname=gunicorn.error
[handler_file]
class=FileHandler
formatter=plain
args=({str(path)!r},)
[formatter_plain]
format=%(name)s %(message)s
"""


def test_each_form_is_taken_and_the_dictionary_goes_first(logger: Logger, tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.log" for name in ("dict", "json", "ini")}
    (tmp_path / "l.json").write_text(json.dumps(configuration(places["json"])))
    (tmp_path / "l.ini").write_text(ini(places["ini"]))
    settings: dict[str, Any] = {
        "logconfig": str(tmp_path / "l.ini"),
        "logconfig_json": str(tmp_path / "l.json"),
        "logconfig_dict": configuration(places["dict"]),
    }
    for form in ("dict", "json", "ini"):
        logger.setup(logger_config(errorlog=str(tmp_path / "usual.log"), **settings))
        logger.debug("by %s", form)
        assert places[form].read_text() == f"gunicorn.error by {form}\n"
        settings["logconfig_dict" if form == "dict" else "logconfig_json"] = {} if form == "dict" else None
    # The configuration has taken the place of the usual handler.
    assert (tmp_path / "usual.log").read_text() == ""


def test_the_loggers_that_a_configuration_leaves_out_have_gunicorns_handlers(
    logger: Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    logger.setup(logger_config(logconfig_dict={"version": 1}))
    logger.access_log.info("a line")
    logger.error("an error")
    captured = capfd.readouterr()
    assert captured.out.splitlines()[0].endswith("] [INFO] a line")
    assert captured.err.splitlines()[0].endswith("] [ERROR] an error")


def test_gunicorns_handlers_may_be_named_beside_ones_own(
    logger: Logger, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # No root logger is named, whose default names the handler console.
    config = configuration(tmp_path / "own.log")
    del config["root"]
    config["loggers"] = {"gunicorn.error": {"level": "INFO", "handlers": ["file", "error_console"]}}
    logger.setup(logger_config(logconfig_dict=config))
    logger.info("twice")
    assert (tmp_path / "own.log").read_text() == "gunicorn.error twice\n"
    assert capfd.readouterr().err.endswith("] [INFO] twice\n")


@pytest.mark.parametrize(
    ("setting", "text", "message"),
    [
        ("logconfig", None, "there is no such file"),
        ("logconfig", "[loggers]\n", "there is no section or key 'formatters'"),
        ("logconfig", "nonsense", "contains no section headers"),
        ("logconfig_json", None, "No such file or directory"),
        ("logconfig_json", "{", "Expecting property name"),
        ("logconfig_json", "[1]", "want a dictionary, not list"),
        ("logconfig_json", '{"version": 2}', "Unsupported version: 2"),
        (
            "logconfig_json",
            '{"handlers": {"x": {"class": "no.Such"}}}',
            "Unable to configure handler 'x': Cannot resolve 'no.Such'",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(
    logger: Logger, tmp_path: Path, setting: str, text: str | None, message: str
) -> None:
    path = tmp_path / "configuration"
    if text is not None:
        path.write_text(text)
    settings: dict[str, Any] = {setting: str(path)}
    with pytest.raises(LoggingConfigError) as raised:
        logger.setup(logger_config(**settings))
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_a_handler_that_raises_an_exception_from_itself_is_told_once(logger: Logger) -> None:
    def make_handler() -> logging.Handler:
        try:
            raise RuntimeError("no vault")
        except RuntimeError as error:
            raise error from error

    config = {"handlers": {"x": {"()": make_handler}}}
    with deadline(), pytest.raises(LoggingConfigError) as raised:
        logger.setup(logger_config(logconfig_dict=config))
    assert str(raised.value).endswith("Unable to configure handler 'x': no vault")
