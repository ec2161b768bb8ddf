"""The mold: the Python process that runs the configuration file, and that the workers are forked from.

It does what the arbiter tells it over the control channel, one message after another, and decides
nothing itself. It is the only place, beside the workers, that executes the user's code.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from tunicorn.application import EXIT_WORKER_BOOT, LoadError, add_to_path, enter_folder
from tunicorn.boot_report import write_report
from tunicorn.config import Config, ConfigError, ConfigFile, read_config_file
from tunicorn.control import ControlChannel, Message
from tunicorn.environ import SERVER_SOFTWARE
from tunicorn.gunicorn_names import FOLLOWED_VERSION, lend_names, take_back_uvicorn
from tunicorn.hooks import Hook, count_threads
from tunicorn.identity import Identity, IdentityError, find_identity
from tunicorn.logger_class import LoggerError
from tunicorn.mold_logs import MoldLogs
from tunicorn.mold_workers import MoldWorkers
from tunicorn.passed_signals import ARBITER_SIGNALS, PassedSignals
from tunicorn.process_title import set_process_title
from tunicorn.puller import QueuePlace
from tunicorn.server import Server
from tunicorn.tracebacks import user_traceback
from tunicorn.unheard import ignore_at_exit
from tunicorn.worker_classes import PACKAGES, find_worker_class, missing_library
from tunicorn.workers.base import BootError, Worker
from tunicorn.workers.sync import SyncWorker

#: Dead workers are looked for this often, if no signal tells of them.
REAP_SECONDS: Final = 1.0


class ConfigureError(Exception):
    """The settings cannot be served with."""


class Mold:
    """State of the mold process; `_handle` has a method for each message of the arbiter."""

    def __init__(self, control: ControlChannel) -> None:
        self._control = control
        self._logs = MoldLogs(self._leave_mold)
        self._workers = MoldWorkers(control, self._logs, self._run_hook)
        #: What the configuration file said, if there is one.
        self._config: ConfigFile | None = None
        self._hooks: dict[str, Hook] = {}
        self._server: Server | None = None
        self._channel_paths: list[str] = []
        self._runtime_directory = ""
        self._queue_directory: str | None = None
        self._queue_place: QueuePlace | None = None
        self._pidfile: str | None = None
        self._arbiter_pid = 0
        self._generation = 0
        self._graceful_seconds = 30.0
        self._worker_class: type[Worker] = SyncWorker
        #: That of the user, if the settings name one.
        self._own_worker_class: type[Worker] | None = None
        self._is_stopping = False
        #: What is done for each message of the arbiter, apart from "fork", of which a worker comes.
        self._answers: dict[str, Callable[[Message], None]] = {
            "read-config": self._read_config,
            "find-worker-class": self._find_worker_class,
            "make-tls-context": self._make_tls_context,
            "configure": self._configure,
            "load": lambda _: self._load(),
            "detach": self._detach,
            "hook": lambda message: self._call_hook(message["hook"]),
            "workers": lambda message: self._change_workers(message["wanted"], message["before"]),
            "signal": lambda message: self._workers.signal(
                message["worker"], signal.Signals[message["signal"]]
            ),
            "reopen-logs": lambda _: self._logs.reopen(self._workers.pids),
            "stop": lambda _: self._stop(),
        }
        self._wakeup_fds = (-1, -1)
        self._signals = PassedSignals()
        #: Write end of the report pipe; only in a forked worker.
        self._report_fd = -1

    def run(self) -> Worker | None:
        """Serves the arbiter until it says stop or is gone. Returns the worker in a forked child."""
        wakeup_read, wakeup_write = self._wakeup_fds = os.pipe()
        for fd in (wakeup_read, wakeup_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._signals.listen()
        self._control.send("hello", pid=os.getpid(), python=sys.version.split()[0], executable=sys.executable)
        while not self._is_stopping:
            readable, _, _ = select.select([self._control.fileno(), wakeup_read], [], [], REAP_SECONDS)
            if wakeup_read in readable:
                os.read(wakeup_read, 4096)
            # Also without a signal: an application that is preloaded may have taken SIGCHLD over.
            self._reap()
            for name in self._signals.take():
                self._control.send("signalled", signal=name)
            if self._control.fileno() in readable:
                messages = self._control.receive()
                if messages is None:
                    self._leave_alone()
                    return None
                for message in messages:
                    worker = self._handle(message)
                    if worker is not None:
                        return worker
        return None

    def _handle(self, message: Message) -> Worker | None:
        kind = message["type"]
        if kind == "fork":
            return self._fork(message["worker"])
        answer = self._answers.get(kind)
        if answer is None:
            raise ValueError(f"the arbiter sent a message of type {kind!r}")
        answer(message)
        return None

    def _stop(self) -> None:
        self._is_stopping = True

    def _detach(self, message: Message) -> None:
        from tunicorn.terminal import leave_terminal  # noqa: PLC0415 -- seldom needed

        leave_terminal(message["silent"])
        self._control.send("detached")

    def _read_config(self, message: Message) -> None:
        """Runs the configuration file, once: a daemon that has taken this mold over asks again."""
        config = self._config
        if config is None:
            add_to_path(os.getcwd())
            try:
                config = read_config_file(
                    message["location"], message["settingNames"], message["hookParameters"]
                )
            except ConfigError as error:
                self._control.send("config-failed", message=str(error))
                return
            self._config = config
            self._hooks = config.hooks
        self._control.send("config", **config.told())

    def _find_worker_class(self, message: Message) -> None:
        """Imports a worker class of the user's own: the arbiter has to know how it is given requests."""
        from tunicorn import own_worker_class  # noqa: PLC0415 -- seldom needed

        try:
            enter_folder(message["chdir"], message["pythonpath"])
            found = own_worker_class.find_own_worker_class(message["name"])
        except (OSError, own_worker_class.WorkerClassError) as error:
            self._control.send("worker-class-failed", message=str(error))
            return
        self._own_worker_class = found.worker_class
        self._control.send("worker-class", base=found.base, kwargs=found.kwargs, warnings=found.warnings)

    def _make_tls_context(self, message: Message) -> None:
        from tunicorn.tls_context import TlsContextError, call_hook  # noqa: PLC0415 -- seldom needed

        try:
            context = call_hook(self._hooks["ssl_context"], Config(message["settings"], self._hooks))
        except TlsContextError as error:
            self._control.send("tls-context-failed", message=str(error))
            return
        self._control.send("tls-context", context=context)

    def _configure(self, message: Message) -> None:
        """Takes the settings that hold, all layers merged, and makes the process ready to load."""
        try:
            identity = self._take_settings(message)
        except (ConfigureError, IdentityError, LoggerError, OSError) as error:
            self._control.send("configure-failed", message=str(error))
            return
        self._control.send("configured", uid=identity.uid, gid=identity.gid)

    def _take_settings(self, message: Message) -> Identity:
        """Raises what keeps the workers from being as the settings want them, in words for the operator."""
        settings = message["settings"]
        cfg = Config(settings, self._hooks, message.get("workerClass"))
        take_back_uvicorn()
        library = missing_library(str(cfg.worker_class))
        if library is not None:
            package = PACKAGES.get(library, library)
            raise ConfigureError(
                f"The worker class {cfg.worker_class_str} needs {package}, which {sys.executable} has not\n"
                f"  Install it there: {sys.executable} -m pip install {package}"
            )
        self._worker_class = self._own_worker_class or find_worker_class(
            str(cfg.worker_class), int(cfg.threads)
        )
        self._channel_paths = message["channelPaths"]
        self._runtime_directory = message["runtimeDirectory"]
        self._queue_directory = message.get("queueDirectory")
        self._pidfile = message.get("pidfile")
        self._arbiter_pid = message["arbiterPid"]
        self._generation = message["generation"]
        self._graceful_seconds = float(settings["graceful_timeout"])
        # Applications look for Gunicorn's name there, to log to its handlers or to start their schedulers.
        os.environ.setdefault("SERVER_SOFTWARE", f"gunicorn/{FOLLOWED_VERSION} ({SERVER_SOFTWARE})")
        os.environ.update(cfg.env)
        identity = find_identity(settings["user"], settings["group"], initgroups=bool(settings["initgroups"]))
        self._queue_place = self._make_queue_place(message.get("tokensPath"), identity)
        enter_folder(settings["chdir"], settings["pythonpath"])
        originals = {} if self._config is None else self._config.originals
        self._logs.configure(message, self._hooks, originals, identity)
        interface = self._worker_class.interface
        self._server = Server(cfg, self._logs.logger, message["arbiterPid"], identity, interface)
        set_process_title(f"tunicorn: mold [{self._server.proc_name}]")
        return identity

    def _make_queue_place(self, tokens_path: str | None, identity: Identity) -> QueuePlace | None:
        if tokens_path is None or self._queue_directory is None:
            return None
        try:
            return QueuePlace.make(self._queue_directory, len(self._channel_paths), tokens_path, identity)
        except OSError as error:
            raise ConfigureError(f"Cannot make the FIFO {tokens_path}: {error}") from error

    def _load(self) -> None:
        """Imports the application here, for preload_app and --check-config."""
        server = self._require_server()
        try:
            server.app.wsgi()
        except LoadError as error:
            self._control.send("load-failed", message=error.report, exitStatus=error.exit_status)
            return
        self._control.send("loaded")

    def _call_hook(self, name: str, *arguments: object) -> None:
        """Runs a hook for the arbiter, which tells of what it raised."""
        before = count_threads()
        error = self._run_hook(name, self._require_server(), *arguments)
        self._control.send("hook-done", hook=name, error=error, threads=max(0, count_threads() - before))

    def _run_hook(self, name: str, *arguments: object) -> str | None:
        """What a hook in this process raised. sys.exit() and the like would take the workers' parent away."""
        try:
            return self._require_server().run_hook(name, *arguments)
        except BaseException as error:
            return user_traceback(error)

    def _change_workers(self, wanted: int, before: int | None) -> None:
        self._require_server().num_workers = wanted
        self._call_hook("nworkers_changed", wanted, before)

    def _fork(self, age: int) -> Worker | None:
        """Forks a worker. Returns it in the child, None in the mold."""
        worker = self._make_worker(age)
        report_fd = None if worker is None else self._workers.fork(worker)
        if worker is None or report_fd is None:
            return None
        self._report_fd = report_fd
        self._leave_mold()
        self._logs.leave()
        worker.pid = os.getpid()
        worker.ppid = os.getppid()
        set_process_title(f"tunicorn: worker [{worker.server.proc_name}]")
        return worker

    def _make_worker(self, age: int) -> Worker | None:
        """A worker that is ready to be forked; None when its class or pre_fork has raised."""
        server = self._require_server()
        try:
            worker = self._worker_class.make(server, age, server.app.callable)
        except Exception as error:
            report = f"The worker class {server.cfg.worker_class_str} raised\n{user_traceback(error)}"
            self._workers.tell_unborn(age, EXIT_WORKER_BOOT, report)
            return None
        worker.generation = self._generation
        worker.queue_place = self._queue_place
        if server.cfg.reload:
            from tunicorn.watched_files import FileReporter  # noqa: PLC0415 -- for --reload alone

            path = os.path.join(self._runtime_directory, f"watch-{age}")
            worker.reloader = FileReporter(path, self._generation, server.cfg.reload_extra_files)
        raised = self._run_hook("pre_fork", server, worker)
        if raised is not None:
            self._workers.tell_unborn(age, EXIT_WORKER_BOOT, f"The hook pre_fork raised\n{raised}")
            return None
        return worker

    def _leave_mold(self) -> None:
        """In a forked process: what is the mold's is let go."""
        self._control.close()
        signal.set_wakeup_fd(-1)
        for fd in self._wakeup_fds:
            os.close(fd)
        self._workers.leave()

    def run_worker(self, worker: Worker) -> int:
        """The life of a worker, in the forked child. The exit status for the process."""
        try:
            worker.live(self._channel_paths)
        except BootError as error:
            write_report(self._report_fd, str(error))
            return error.exit_status
        return 0

    def _reap(self) -> None:
        self._logs.keep()
        self._workers.reap()

    def _leave_alone(self) -> None:
        """The arbiter is gone: let the workers finish, then end them, and remove what it left."""
        from tunicorn.leftovers import remove_directories, remove_pidfile  # noqa: PLC0415 -- seldom needed

        self._workers.signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._graceful_seconds
        while self._workers.pids and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        self._workers.signal_all(signal.SIGKILL)
        remove_directories(self._runtime_directory, self._queue_directory)
        if self._pidfile is not None:
            remove_pidfile(self._pidfile, self._arbiter_pid)

    def _require_server(self) -> Server:
        if self._server is None:
            raise RuntimeError("the arbiter gave an order before it configured the mold")
        return self._server


def run_mold() -> int:
    """Runs the mold, and in its forked children a worker. The exit status for the process."""
    ignore_at_exit(ARBITER_SIGNALS)
    lend_names()
    mold = Mold(ControlChannel())
    worker = mold.run()
    return 0 if worker is None else mold.run_worker(worker)
