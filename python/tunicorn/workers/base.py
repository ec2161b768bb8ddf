"""What all worker classes share: booting in the forked process, signals, and leaving."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from tunicorn.application import EXIT_WORKER_BOOT, Application, LoadError
from tunicorn.channel import Channel
from tunicorn.error_log import error_stream
from tunicorn.interface import Interface
from tunicorn.loading import ServedApplication
from tunicorn.log import reopen
from tunicorn.missing import MissingAttributeError
from tunicorn.script_name import mount
from tunicorn.tracebacks import user_traceback
from tunicorn.unheard import leave_unheard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from tunicorn.config import Config
    from tunicorn.log import Logger
    from tunicorn.puller import QueuePlace
    from tunicorn.server import Server
    from tunicorn.stack_file import StackFile
    from tunicorn.watched_files import FileReporter

#: Shows the stacks of all threads in the log, whatever they do.
STACKS_SIGNAL: Final = signal.SIGIO

#: Signals to a worker that mean nothing: they went to the whole process group.
UNHEARD_SIGNALS: Final = (signal.SIGHUP, signal.SIGWINCH)

#: Signals to a worker that is to leave.
LEAVING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_ROUTER: Final = "the router process holds the sockets, and times each request"

#: Attributes of Gunicorn's workers that have no counterpart here, and what to use.
INSTEAD: Final = {
    "sockets": _ROUTER,
    "tmp": _ROUTER,
    "wait_fds": _ROUTER,
    "config": "uvicorn's options are in CONFIG_KWARGS of the class, those of the server in worker.cfg",
}


class BootError(Exception):
    """The worker cannot boot; the text is for the operator."""

    def __init__(self, report: str, exit_status: int) -> None:
        super().__init__(report)
        self.exit_status = exit_status


class Worker:
    """A worker process. The attributes without underscore are what hooks use; their names are Gunicorn's.

    Methods of Gunicorn's names are those that classes of the user's own override.
    """

    #: What the class calls its application by.
    interface: Interface = "wsgi"
    #: The time of a request counts also while its application has taken the connection over.
    limits_tunnels = False
    #: The signals that Gunicorn's workers handle, or put back.
    SIGNALS: Final = (
        signal.SIGABRT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGCHLD,
    )

    #: What hooks get as `server`; the mold sets it.
    server: Server

    def __init__(  # noqa: PLR0917 -- it is how classes of the user's own call it
        self,
        age: int,
        ppid: int,
        sockets: Sequence[object],
        app: ServedApplication,
        timeout: float,
        cfg: Config,
        log: Logger,
    ) -> None:
        """The arguments are Gunicorn's; `sockets` is empty, since the router holds them."""
        self.cfg = cfg
        self.log = log
        #: Who loads the application.
        self.app = app
        #: Half of what a request may take, as Gunicorn has it.
        self.timeout = timeout
        #: Number in the order of forks.
        self.age = age
        #: Pid of this process; "[booting]" before the fork, as pre_fork sees it.
        self.pid: int | str = "[booting]"
        self.ppid = ppid
        #: Number of the generation; the mold sets it.
        self.generation = 0
        self.wsgi: Application | None = None
        self.booted = False
        #: It was told to abort: its time for a request was over.
        self.aborted = False
        #: It was told to leave at once.
        self._is_quitting = False
        self.alive = True
        #: With --reload: tells which files to watch.
        self.reloader: FileReporter | None = None
        #: Requests handled.
        self.nr = 0
        self.max_requests = self._draw_max_requests()
        #: The shared queue of the generation; None where requests come over the channel.
        self.queue_place: QueuePlace | None = None
        #: It has begun to take requests.
        self._has_served = False
        #: Where the routers listen for it.
        self.channel_paths: Sequence[str] = ()
        #: Where its stacks go if the error log is no plain text.
        self.stack_file: StackFile | None = None

    @classmethod
    def make(cls, server: Server, age: int, application: Application | None) -> Self:
        """A worker of the class; `application` is None where the worker has to load it."""
        server.app.callable = application
        worker = cls(age, os.getpid(), [], server.app, server.timeout / 2, server.cfg, server.log)
        worker.server = server
        worker.wsgi = application
        return worker

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingAttributeError("worker", name, INSTEAD, self)

    def _draw_max_requests(self) -> int:
        """The number of requests after which the worker leaves; 0: never."""
        limit = int(self.cfg.max_requests)
        return limit + random.randint(0, int(self.cfg.max_requests_jitter)) if limit > 0 else 0

    def entry(self) -> Application:
        """What is called for a request: the application, or what the class puts before it."""
        assert self.wsgi is not None
        return mount(self.wsgi, self.cfg)

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"

    @property
    def has_one_request(self) -> bool:
        """Each request is to have a process of its own: nothing is taken after the first one."""
        return self.max_requests == 1

    def count_request(self) -> None:
        """Counts a request that has come. After the last one the worker serves on until it is replaced."""
        self.nr += 1
        if self.nr == self.max_requests:
            self.log.info("Autorestarting worker after current request.")
            self.leave_when_replaced()

    def leave_when_replaced(self) -> None:
        """The worker tells the router that it would leave as soon as it can."""
        self.alive = False

    def init_process(self) -> None:
        """The life of the worker, with run() as its last. Raises BootError with a report for the operator."""
        self._give_up_rights()
        self.load_wsgi()
        if self.reloader is not None:
            self.reloader.start()
        self.booted = True
        self._call_boot_hook("post_worker_init", self)
        self.run()

    def _call_boot_hook(self, name: str, *arguments: object) -> None:
        """A worker whose hook raised is not what the operator wanted: it does not serve."""
        report = self.server.run_hook(name, *arguments)
        if report is not None:
            raise BootError(f"The hook {name} raised\n{report}", EXIT_WORKER_BOOT)

    def _give_up_rights(self) -> None:
        try:
            has_changed = self.server.identity.assume()
        except OSError as error:
            raise BootError(f"Cannot take the rights of user and group: {error}", EXIT_WORKER_BOOT) from error
        if has_changed:
            if not os.access(os.__file__, os.R_OK):
                # Every import would fail, each with a message about something else.
                folder = os.path.dirname(os.__file__)
                raise BootError(f"User {os.getuid()} cannot read Python's own {folder}", EXIT_WORKER_BOOT)
            # The kernel hides what a process that was root has open, also from a router of the same user.
            self.cfg.settings["sendfile"] = False

    def load_wsgi(self) -> None:
        """Sets the application, which was loaded before the fork or is loaded now."""
        try:
            self.wsgi = self.app.wsgi()
        except LoadError as error:
            if not self.alive and isinstance(error.__cause__, SystemExit):
                raise error.__cause__ from None
            if self.reloader is not None:
                from tunicorn.failed_application import FailedApplication  # noqa: PLC0415 -- for --reload alone

                self.log.error(error.report)
                self.reloader.add_failure(error)
                self.wsgi = FailedApplication(error.report)
                return
            raise BootError(error.report, error.exit_status) from error

    def init_signals(self) -> None:
        """Handlers for the signals that Gunicorn's workers know."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in UNHEARD_SIGNALS:
            leave_unheard(number)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self.handle_exit)
        signal.signal(signal.SIGINT, self.handle_quit)
        signal.signal(signal.SIGQUIT, self.handle_quit)
        signal.signal(signal.SIGUSR1, self.handle_usr1)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def init_own_signals(self) -> None:
        """Handlers that the server needs, whatever a class of the user's own does with the others."""
        # Comes before handle_abort: the stacks are written even if Python code never runs again.
        self._show_stacks()

    def _show_stacks(self) -> None:
        """ABRT ends the worker; the other one only shows where its threads are."""
        stream = self.stack_file or error_stream()
        faulthandler.enable(stream, all_threads=True)
        faulthandler.register(STACKS_SIGNAL, stream, all_threads=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: finish, then leave."""
        self.alive = False

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """QUIT and INT: leave now."""
        if self._begin_to_quit():
            sys.exit(0)

    def _begin_to_quit(self) -> bool:
        """False for all orders but the first.

        Ctrl-C in a terminal reaches the worker, and the arbiter tells it as well. The second order would end
        what the application, or the worker, still does because of the first.
        """
        if self._is_quitting:
            return False
        self._is_quitting = True
        self.alive = False
        self.server.call_hook("worker_int", self)
        return True

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """Reopen the log."""
        reopen(self.log)
        self._show_stacks()

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """The arbiter lost patience."""
        self.alive = False
        self.aborted = True
        self.server.call_hook("worker_abort", self)
        sys.exit(1)

    def report_exit(self, request: str, error: SystemExit) -> None:
        """Names the request that SystemExit has ended: that of QUIT, or the application's own."""
        if self.alive:
            self.log.error("Error handling request %s, the worker ends", request, exc_info=error)
        elif not self.aborted:
            self.log.warning("Leaving now: cutting off %s", request)

    def notify(self) -> None:
        """Gunicorn's workers say here that they are alive. The router sees it: nothing is to be said."""

    def run(self) -> None:
        """Serves until the worker leaves."""
        self._has_served = True
        self.serve(self.channel_paths)
        self.hear_of_exit()

    def hear_of_exit(self) -> None:
        """A router lets the worker go. Gunicorn's arbiter says it by TERM, which a user's class awaits."""
        if self.alive and self._is_users("handle_exit"):
            self.handle_exit(signal.SIGTERM, None)

    def _is_users(self, method: str) -> bool:
        """Whether a class of the user's own has overridden a method."""
        return not str(getattr(type(self), method).__module__).startswith("tunicorn.")

    def serve(self, channel_paths: Sequence[str]) -> None:
        """Handles requests of the routers until the worker is told, or has reason, to leave."""
        raise NotImplementedError

    def live(self, channel_paths: Sequence[str]) -> None:
        """The whole life of the worker after its fork; the hook worker_exit comes last."""
        self.channel_paths = channel_paths
        try:
            # Where it is enabled by now, as by PYTHONFAULTHANDLER, it would stay behind handle_abort.
            faulthandler.disable()
            self.init_signals()
            self.init_own_signals()
            # The mold has blocked them for the fork.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, LEAVING_SIGNALS)
            if self.cfg.spew:
                from tunicorn.spew import start_spewing  # noqa: PLC0415 -- seldom needed

                start_spewing()
            self.log.info("Booting worker with pid: %s", self.pid)
            self._call_boot_hook("post_fork", self.server, self)
            self._init_process()
        finally:
            # It leaves already.
            for number in LEAVING_SIGNALS:
                leave_unheard(number)
            self.say_goodbye()

    def _init_process(self) -> None:
        try:
            self.init_process()
        except BootError:
            raise
        except Exception as error:
            if self._has_served:
                self.log.critical("Exception in worker process", exc_info=error)
                raise SystemExit(1) from error
            # It is a class of the user's own that raises so early.
            report = f"Exception in worker process\n{user_traceback(error)}"
            raise BootError(report, EXIT_WORKER_BOOT) from error

    def say_goodbye(self) -> None:
        """The last that a worker does, however it ends."""
        self.log.info("Worker exiting (pid: %s)", self.pid)
        self.server.call_hook("worker_exit", self.server, self)

    def dial(self, channel_path: str, thread: int = 0) -> Channel | None:
        """A channel to a router, also to one that follows a dead one; None when the worker is to leave."""
        if not self.alive or os.getppid() != self.ppid:
            return None
        channel = Channel.dial(channel_path, lambda: self.alive)
        if channel is not None:
            is_pulling = self.queue_place is not None
            channel.greet(self.age, self.generation, is_pulling=is_pulling, thread=thread)
        return channel
