"""The server runner for PasteDeploy, and so for Pyramid's pserve: [server:main] use = egg:tunicorn#main."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tunicorn.launcher import become_node


def serve(_application: object, global_conf: Mapping[str, str], **settings: Any) -> None:
    """The process of pserve becomes the server.

    The application is made anew by the workers, from the same file, so that a reload reads it again.
    """
    arguments = ["--paste", os.path.abspath(global_conf["__file__"])]
    for name, value in global_conf.items():
        if name not in ("__file__", "here"):
            arguments += ["--paste-global", f"{name.replace('=', chr(92) + '=')}={value}"]
    config = settings.pop("config", None)
    if config is not None:
        arguments += ["--config", config]
    host, port = settings.pop("host", ""), settings.pop("port", "")
    if host:
        settings["bind"] = f"{host}:{port}" if port else host
    for name, value in settings.items():
        arguments += ["--paste-setting", f"{name.lower()}={value}"]
    become_node(arguments)
