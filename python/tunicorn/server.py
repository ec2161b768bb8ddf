"""What hooks get as `server`: the arbiter, as far as Python code can see it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from tunicorn.config import Config
from tunicorn.log import Logger

if TYPE_CHECKING:
    from tunicorn.workers.base import Worker


class Server:
    """The arbiter as hooks know it. Attribute names are Gunicorn's."""

    def __init__(self, cfg: Config, log: Logger, arbiter_pid: int) -> None:
        self.cfg = cfg
        self.log = log
        #: Pid of the arbiter: the one that users see and signal.
        self.pid = arbiter_pid
        #: Workers that live, by pid. In a worker it is the state at its fork.
        self.WORKERS: dict[int, Worker] = {}

    @property
    def num_workers(self) -> int:
        """How many workers are wanted."""
        return int(self.cfg.workers)

    @property
    def address(self) -> list[str]:
        """The addresses that the server listens on."""
        return self.cfg.address

    @property
    def proc_name(self) -> str:
        """The name of the server in process titles."""
        return str(self.cfg.proc_name or "gunicorn")

    def call_hook(self, name: str, *arguments: object) -> str | None:
        """Calls a hook if there is one. A traceback when it raised, which is logged too."""
        hook = self.cfg.hook(name)
        if hook is None:
            return None
        try:
            hook(*arguments)
        except Exception as error:
            report = "".join(traceback.format_exception(error)).rstrip()
            self.log.error("The hook %s raised\n%s", name, report)
            return report
        return None
