"""A real mold process, with the test in the arbiter's place at the control channel."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.logs import LOG_SETTINGS

Message = dict[str, Any]

MOLD_PROGRAM: Final = Path(__file__).parents[2] / "tunicorn" / "start_mold.py"

#: The arbiter hands the control channel down as descriptor 3, which Popen alone cannot do.
START_WITH_CONTROL: Final = 'exec "$@" 3<&0 </dev/null'

#: Hooks and their arguments, as the arbiter tells them.
HOOK_PARAMETERS: Final = {
    "nworkers_changed": ["server", "new_value", "old_value"],
    "on_starting": ["server"],
    "when_ready": ["server"],
    "pre_fork": ["server", "worker"],
    "post_fork": ["server", "worker"],
    "post_worker_init": ["worker"],
    "pre_request": ["worker", "req"],
    "post_request": ["worker", "req", "environ", "resp"],
    "worker_int": ["worker"],
    "worker_abort": ["worker"],
    "worker_exit": ["server", "worker"],
    "child_exit": ["server", "worker"],
    "on_reload": ["server"],
    "pre_exec": ["server"],
    "on_exit": ["server"],
}


def default_settings(folder: Path) -> dict[str, object]:
    """The settings that Python code reads."""
    return {
        **LOG_SETTINGS,
        "wsgi_app": "app",
        "paste": None,
        "raw_paste_global_conf": [],
        "reload": False,
        "reload_extra_files": [],
        "spew": False,
        "workers": 1,
        "threads": 1,
        "worker_class": "sync",
        "worker_connections": 1000,
        "asgi_loop": "asyncio",
        "websocket_max_message_size": 16 * 1024 * 1024,
        "websocket_ping_interval": 20,
        "websocket_ping_timeout": 20,
        "asgi_lifespan": "auto",
        "asgi_disconnect_grace_period": 3,
        "bind": ["127.0.0.1:8000"],
        "chdir": str(folder),
        "pythonpath": None,
        "raw_env": [],
        "user": None,
        "group": None,
        "initgroups": False,
        "proc_name": None,
        "max_requests": 0,
        "max_requests_jitter": 0,
        "graceful_timeout": 30,
        "timeout": 30,
    }


class MoldProcess:
    """Starts a mold in a folder, and stands in the arbiter's place."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.runtime_directory = folder / "run"
        self.runtime_directory.mkdir(exist_ok=True)
        self.channel_path = self.runtime_directory / "channel"
        #: Where the shared queue is; its workers pull when there is one.
        self.queue_directory: Path | None = None
        self._stderr_path = folder / "stderr.txt"
        self._control, inherited = socket.socketpair()
        self._control.settimeout(DEADLINE_SECONDS)
        self._rest = b""
        self._waiting: list[Message] = []
        own_variables = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SERVER_SOFTWARE")
        }
        self._stdout, stdout = socket.socketpair()
        self._stdout.settimeout(DEADLINE_SECONDS)
        with inherited, stdout, self._stderr_path.open("ab") as stderr:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", START_WITH_CONTROL, "sh", sys.executable, str(MOLD_PROGRAM)],
                cwd=folder,
                env={**own_variables, **(env or {})},
                stdin=inherited.fileno(),
                stdout=stdout.fileno(),
                stderr=stderr,
                # A group of its own, so that the teardown reaches the workers too.
                start_new_session=True,
            )

    @property
    def stderr(self) -> str:
        """What the mold and its workers have written by now."""
        return self._stderr_path.read_text(errors="replace")

    def send(self, kind: str, **fields: object) -> None:
        """Sends an order."""
        self._control.sendall(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def expect(self, kind: str) -> Message:
        """Waits for a message of this type; others are kept for later."""
        for message in self._waiting:
            if message["type"] == kind:
                self._waiting.remove(message)
                return message
        while True:
            message = self._receive()
            if message["type"] == kind:
                return message
            assert not str(message["type"]).endswith("-failed"), message
            self._waiting.append(message)

    def set_deadline(self, seconds: float) -> None:
        """How long to wait for the next messages."""
        self._control.settimeout(seconds)

    def read_config(self, location: str, names: list[str] | None = None) -> None:
        """Orders the configuration file to be run."""
        self.send(
            "read-config",
            location=location,
            settingNames=names or list(default_settings(self.folder)),
            hookParameters=HOOK_PARAMETERS,
        )

    def configure(self, error_log: str = "-", **settings: object) -> None:
        """Hands the settings over and waits until the mold is ready to load."""
        self.send_configure(error_log, **settings)
        self.expect("configured")

    def send_configure(self, error_log: str = "-", **settings: object) -> None:
        """Hands the settings over."""
        self.send(
            "configure",
            settings={**default_settings(self.folder), **settings},
            errorLog=error_log,
            logProcess=None,
            arbiterPid=os.getpid(),
            channelPaths=[str(self.channel_path)],
            runtimeDirectory=str(self.runtime_directory),
            **self._queue_fields(),
            generation=7,
        )

    def _queue_fields(self) -> dict[str, str]:
        if self.queue_directory is None:
            return {}
        return {
            "queueDirectory": str(self.queue_directory),
            "tokensPath": str(self.queue_directory / "tokens-7"),
        }

    def fork(self, age: int = 1) -> int:
        """Forks a worker; its pid."""
        self.send("fork", worker=age)
        pid = self.expect("forked")["pid"]
        assert isinstance(pid, int)
        return pid

    def disappear(self) -> None:
        """The arbiter is gone, as far as the mold can see."""
        self._control.close()

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Waits for the mold to end; its exit status."""
        return self.process.wait(seconds)

    def wait_for_all(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Waits until the mold and all its workers are gone: until nobody holds their standard output."""
        self._stdout.settimeout(seconds)
        while self._stdout.recv(65536):
            pass

    def end(self) -> None:
        """Ends whatever is left."""
        self._control.close()
        self._stdout.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _receive(self) -> Message:
        while b"\n" not in self._rest:
            data = self._control.recv(65536)
            if not data:
                raise AssertionError(f"the mold is gone\n{self.stderr}")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        message = json.loads(line, parse_constant=_refuse_constant)
        assert isinstance(message, dict)
        return message


def _refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON: JSON.parse in the arbiter throws")
