"""What hooks get as `server`: the arbiter, as far as Python code can see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from tunicorn.config import Address, Config
from tunicorn.identity import UNCHANGED, Identity
from tunicorn.loading import ServedApplication
from tunicorn.log import Logger
from tunicorn.missing import MissingAttributeError
from tunicorn.tracebacks import user_traceback

if TYPE_CHECKING:
    from tunicorn.interface import Interface
    from tunicorn.workers.base import Worker

_BY_SIGNAL: Final = "signal the arbiter: os.kill(server.pid, signal.SIGTERM), or SIGHUP, SIGTTIN, SIGTTOU"
_LISTENERS: Final = "the router process holds the listening sockets; server.address says where they are"

#: Attributes of Gunicorn's arbiter that have no counterpart here, and what to use.
INSTEAD: Final = {
    "LISTENERS": _LISTENERS,
    "listeners": _LISTENERS,
    "pidfile": "server.cfg.pidfile is its path",
    "worker_age": "each worker has its own: worker.age",
    "worker_class": "server.cfg.worker_class is its name",
    "halt": _BY_SIGNAL,
    "stop": _BY_SIGNAL,
    "reload": _BY_SIGNAL,
    "reexec": _BY_SIGNAL,
    "wakeup": _BY_SIGNAL,
    "spawn_worker": _BY_SIGNAL,
    "spawn_workers": _BY_SIGNAL,
    "manage_workers": _BY_SIGNAL,
    "kill_worker": "os.kill(pid, signal.SIGTERM) replaces that worker",
    "kill_workers": "os.kill(pid, signal.SIGTERM) for each pid of server.WORKERS replaces them",
}


class Server:
    """The arbiter as hooks know it. Attribute names are Gunicorn's."""

    def __init__(
        self,
        cfg: Config,
        log: Logger,
        arbiter_pid: int,
        identity: Identity = UNCHANGED,
        interface: Interface = "wsgi",
    ) -> None:
        self.cfg = cfg
        #: Who loads the application. What a hook has loaded before a fork, the worker has.
        self.app = ServedApplication(cfg, interface)
        self.log = log
        #: Pid of the arbiter: the one that users see and signal.
        self.pid = arbiter_pid
        #: How many workers are wanted, with what TTIN and TTOU made of it.
        self.num_workers = int(cfg.workers)
        #: Whose rights the workers take.
        self.identity = identity
        #: Workers that live, by pid. In a worker it is the state at its fork.
        self.WORKERS: dict[int, Worker] = {}

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("server", name, INSTEAD, self)

    @property
    def address(self) -> list[Address]:
        """The addresses that the server listens on."""
        return self.cfg.address

    @property
    def timeout(self) -> int:
        """Seconds that a worker may take for a request."""
        return int(self.cfg.timeout)

    @property
    def proc_name(self) -> str:
        """The name of the server in process titles."""
        return self.cfg.proc_name

    def run_hook(self, name: str, *arguments: object) -> str | None:
        """Runs a hook if there is one. Its traceback when it raised, which is for the caller to tell."""
        hook = self.cfg.hook(name)
        if hook is None:
            return None
        try:
            hook(*arguments)
        except Exception as error:
            return user_traceback(error)
        return None

    def call_hook(self, name: str, *arguments: object) -> None:
        """Runs a hook if there is one. What it raises is logged and changes nothing."""
        report = self.run_hook(name, *arguments)
        if report is not None:
            self.log.error("The hook %s raised\n%s", name, report)
