"""The mold, run as the arbiter runs it."""

from __future__ import annotations

import os
import platform
import resource
import signal
import stat
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from tunicorn import __version__
from tunicorn.gunicorn_names import FOLLOWED_VERSION
from tunicorn.passed_signals import ARBITER_SIGNALS

from tests.conftest import StartMold, StartWorker
from tests.helpers.deadlines import AT_ONCE_SECONDS
from tests.helpers.modules import write_modules
from tests.helpers.mold import HOOK_PARAMETERS, MoldProcess
from tests.helpers.router import END, READY, TAKES_MORE, RouterListener, body_of, response_of

HELLO_APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""

#: An application that answers with what a Python expression gives.
REPORTING_APPLICATION = """
import os, sys


def application(environ, start_response):
    start_response("200 OK", [])
    return [repr({expression}).encode()]
"""


class TestHello:
    def test_the_mold_says_who_it_is(self, short_folder: Path) -> None:
        mold = MoldProcess(short_folder)
        hello = mold.expect("hello")
        mold.end()
        assert hello == {
            "type": "hello",
            "pid": mold.process.pid,
            "python": platform.python_version(),
            "executable": sys.executable,
        }


class TestReadConfig:
    def test_values_hooks_and_slips_are_told(self, mold: MoldProcess) -> None:
        settings = "workers = 3\nbind = ('a:1',)\ntimout = 5\nthreads: 2\n"
        source = f"{settings}def post_fork(s, w): pass\ndef on_exit(s): pass\n"
        write_modules(mold.folder, {"gunicorn.conf.py": source})
        mold.read_config("gunicorn.conf.py")
        assert mold.expect("config") == {
            "type": "config",
            "values": {"workers": 3, "bind": ["a:1"]},
            "hooks": ["on_exit", "post_fork"],
            "slips": {"timout": "timeout"},
            "annotated": ["threads"],
        }

    def test_the_configuration_file_may_import_from_the_working_folder(self, mold: MoldProcess) -> None:
        sources = {"conf/server.py": "from counts import workers\n", "counts.py": "workers = 4\n"}
        write_modules(mold.folder, sources)
        mold.read_config("conf/server.py")
        assert mold.expect("config")["values"] == {"workers": 4}

    def test_a_program_that_the_configuration_file_starts_cannot_reach_the_arbiter(
        self, mold: MoldProcess
    ) -> None:
        write_modules(
            mold.folder, {"shop.py": "import os\nworkers = os.system('exec 2>/dev/null; true >&3')"}
        )
        mold.read_config("shop.py")
        assert mold.expect("config")["values"]["workers"] != 0

    def test_a_configuration_file_that_raises_is_reported(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"gunicorn.conf.py": "raise SystemExit('no vault')\n"})
        mold.read_config("gunicorn.conf.py")
        message = mold.expect("config-failed")["message"]
        assert message.startswith("Cannot run configuration file gunicorn.conf.py:\n")
        assert message.endswith("SystemExit: no vault")

    def test_a_hook_that_cannot_be_imported_is_reported(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"gunicorn.conf.py": "post_fork = 'no_such_module.hook'\n"})
        mold.read_config("gunicorn.conf.py")
        message = mold.expect("config-failed")["message"]
        assert "post_fork" in message
        assert "no_such_module" in message

    def test_a_value_that_json_cannot_carry_does_not_break_the_channel(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"gunicorn.conf.py": "timeout = float('inf')\nworkers = 2\n"})
        mold.read_config("gunicorn.conf.py")
        assert mold.expect("config")["values"]["workers"] == 2


class TestConfigure:
    def report(self, mold: MoldProcess, router: RouterListener, expression: str, **settings: Any) -> str:
        """What an expression gives in a worker."""
        source = REPORTING_APPLICATION.format(expression=expression)
        folder = Path(str(settings.get("chdir", mold.folder)))
        write_modules(folder, {"app.py": source})
        mold.configure(**settings)
        mold.fork()
        channel = router.accept()
        channel.receive_hello()
        channel.expect(READY)
        channel.request()
        return body_of(channel.receive_response()).decode()

    def test_the_application_runs_in_the_folder_of_chdir(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        folder = mold.folder / "site"
        folder.mkdir()
        assert self.report(mold, router, "os.getcwd()", chdir=str(folder)) == repr(str(folder))

    def test_raw_env_is_in_the_environment(self, mold: MoldProcess, router: RouterListener) -> None:
        expression = "os.environ['SHOP_DATABASE']"
        assert self.report(mold, router, expression, raw_env=["SHOP_DATABASE=db=1"]) == "'db=1'"

    def test_the_environment_names_gunicorn_for_applications_that_look_for_it(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        expression = "os.environ['SERVER_SOFTWARE']"
        assert self.report(mold, router, expression) == repr(
            f"gunicorn/{FOLLOWED_VERSION} (tunicorn/{__version__})"
        )

    def test_folders_of_pythonpath_come_first_and_chdir_next(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        expression = "sys.path[:3]"
        path = self.report(mold, router, expression, pythonpath="lib,/opt/other")
        assert path == repr([f"{mold.folder}/lib", "/opt/other", str(mold.folder)])

    def test_the_path_does_not_lead_to_the_servers_own_package(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        folders = self.report(mold, router, "[p for p in sys.path if os.path.isdir(p + '/tunicorn')]")
        assert folders == "[]"

    def test_a_folder_that_is_not_there_is_reported(self, mold: MoldProcess) -> None:
        mold.send_configure(chdir=f"{mold.folder}/nowhere")
        message = mold.expect("configure-failed")["message"]
        assert message.startswith("Cannot change to chdir: ")
        assert f"{mold.folder}/nowhere" in message

    def test_the_fifo_of_a_shared_queue_is_made_for_this_user_alone(self, mold: MoldProcess) -> None:
        mold.queue_directory = mold.folder / "queue"
        mold.queue_directory.mkdir()
        (mold.queue_directory / "ring-0").touch()
        mold.configure()
        status = (mold.queue_directory / "tokens-7").stat()
        assert stat.filemode(status.st_mode) == "prw-------"

    def test_a_shared_queue_whose_folder_is_gone_is_reported(self, mold: MoldProcess) -> None:
        # What lies in memory is removed for a user who has logged out (RemoveIPC of systemd).
        mold.queue_directory = mold.folder / "removed"
        mold.send_configure()
        message = mold.expect("configure-failed")["message"]
        assert message.startswith(f"Cannot make the FIFO {mold.folder}/removed/tokens-7: ")

    def test_a_relative_error_log_is_in_the_folder_of_chdir_like_the_arbiters(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        folder = mold.folder / "site"
        folder.mkdir()
        write_modules(folder, {"app.py": HELLO_APPLICATION})
        mold.configure("error.log", chdir=str(folder))
        mold.fork()
        router.accept().receive_hello()
        assert not (mold.folder / "error.log").exists()
        assert "Booting worker with pid" in (folder / "error.log").read_text()


FAILING_MODULES: Final = {
    "app.py": HELLO_APPLICATION,
    "broken.py": "raise RuntimeError('no database')\n",
    "exits.py": "raise SystemExit(0)\n",
}

#: What is named, and how the message about it begins and ends.
LOAD_FAILURES: Final = [
    pytest.param(
        "nowhere:app",
        3,
        'Cannot load application "nowhere:app": no module named "nowhere"',
        "Use --chdir or --pythonpath if the application is elsewhere",
        id="no such module",
    ),
    pytest.param(
        "app:missing",
        4,
        'Cannot load application "app:missing": module "app" ({folder}/app.py) has no attribute',
        "\n  Did you mean app:application?",
        id="no such name",
    ),
    pytest.param(
        "broken",
        3,
        'Cannot load application "broken": importing "broken" failed\nTraceback',
        "RuntimeError: no database",
        id="module that raises",
    ),
]


class TestLoad:
    def test_the_application_is_loaded_in_the_mold(self, mold: MoldProcess, router: RouterListener) -> None:
        source = "import os\nLOADED_BY = os.getpid()\n" + REPORTING_APPLICATION.format(
            expression="(LOADED_BY, os.getpid())"
        )
        write_modules(mold.folder, {"app.py": source})
        mold.configure()
        mold.send("load")
        mold.expect("loaded")
        pid = mold.fork()
        channel = router.accept()
        channel.receive_hello()
        channel.expect(READY)
        channel.request()
        assert body_of(channel.receive_response()).decode() == repr((mold.process.pid, pid))

    @pytest.mark.parametrize(("spec", "exit_status", "begins", "ends"), LOAD_FAILURES)
    def test_an_application_that_cannot_be_loaded_is_reported(
        self, mold: MoldProcess, spec: str, exit_status: int, begins: str, ends: str
    ) -> None:
        write_modules(mold.folder, FAILING_MODULES)
        mold.configure(wsgi_app=spec)
        mold.send("load")
        failed = mold.expect("load-failed")
        assert failed["exitStatus"] == exit_status
        assert failed["message"].startswith(begins.replace("{folder}", str(mold.folder)))
        assert failed["message"].endswith(ends)

    def test_the_mold_goes_on_after_an_application_that_could_not_be_loaded(self, mold: MoldProcess) -> None:
        mold.configure(wsgi_app="nowhere")
        for _ in range(2):
            mold.send("load")
            mold.expect("load-failed")


class TestHooks:
    def configure(self, mold: MoldProcess, config: str, **settings: Any) -> None:
        write_modules(mold.folder, {"gunicorn.conf.py": config, "app.py": HELLO_APPLICATION})
        mold.read_config("gunicorn.conf.py")
        mold.expect("config")
        mold.configure(**settings)

    def test_a_hook_is_called_with_the_server(self, mold: MoldProcess) -> None:
        self.configure(
            mold,
            "def when_ready(server):\n"
            "    server.log.info('%s %s %s', server.pid, server.cfg.workers, server.address)\n",
            bind=["127.0.0.1:8000"],
        )
        mold.send("hook", hook="when_ready")
        done = {"type": "hook-done", "hook": "when_ready", "error": None, "threads": 0}
        assert mold.expect("hook-done") == done
        assert f"{os.getpid()} 1 [('127.0.0.1', 8000)]" in mold.stderr

    def test_a_hook_that_raises_is_reported_with_its_traceback(self, mold: MoldProcess) -> None:
        self.configure(mold, "def on_starting(server):\n    raise RuntimeError('no vault')\n")
        mold.send("hook", hook="on_starting")
        error = mold.expect("hook-done")["error"]
        assert f'  File "{mold.folder}/gunicorn.conf.py", line 2, in on_starting' in error.splitlines()
        assert error.endswith("RuntimeError: no vault")
        # The arbiter tells of it, once.
        assert "no vault" not in mold.stderr

    @pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
    def test_no_hook_ends_the_mold_by_what_it_raises(self, mold: MoldProcess, raised: str) -> None:
        self.configure(mold, f"def on_starting(server):\n    raise {raised}('not today')\n")
        mold.send("hook", hook="on_starting")
        assert mold.expect("hook-done")["error"].endswith(f"{raised}: not today")
        mold.send("hook", hook="on_exit")
        assert mold.expect("hook-done")["error"] is None

    def test_a_changed_number_of_workers_is_told_to_the_hook_and_the_server(self, mold: MoldProcess) -> None:
        self.configure(
            mold,
            "def nworkers_changed(server, new_value, old_value):\n"
            "    server.log.info('%s %s %s', new_value, old_value, server.num_workers)\n",
        )
        for wanted, before in [(1, None), (4, 1)]:
            mold.send("workers", wanted=wanted, before=before)
            assert mold.expect("hook-done") == {
                "type": "hook-done",
                "hook": "nworkers_changed",
                "error": None,
                "threads": 0,
            }
            assert f"{wanted} {before} {wanted}" in mold.stderr

    def test_child_exit_sees_the_worker_that_was_reaped(self, mold: MoldProcess) -> None:
        self.configure(
            mold,
            "def child_exit(server, worker):\n"
            "    server.log.info('reaped %s %s', worker.pid, list(server.WORKERS))\n"
            "    raise RuntimeError('no vault')\n",
        )
        pid = mold.fork(1)
        mold.send("signal", worker=1, signal="SIGKILL")
        mold.expect("worker-exited")
        # The next order waits for the hook, so its lines are there by then.
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")
        assert f"reaped {pid} []" in mold.stderr
        assert "[ERROR] The hook child_exit raised\nTraceback" in mold.stderr

    def test_a_hook_that_is_not_there_is_done_at_once(self, mold: MoldProcess) -> None:
        mold.configure()
        for hook in HOOK_PARAMETERS:
            mold.send("hook", hook=hook)
            done = {"type": "hook-done", "hook": hook, "error": None, "threads": 0}
            assert mold.expect("hook-done") == done

    def test_pre_fork_sees_a_worker_that_has_no_pid_yet(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        self.configure(
            mold, "def pre_fork(server, worker):\n    server.log.info('%s %s', worker.age, worker.pid)\n"
        )
        mold.fork(9)
        assert "9 [booting]" in mold.stderr
        router.accept().receive_hello()

    def test_a_pre_fork_that_raises_keeps_the_worker_from_being_forked(self, mold: MoldProcess) -> None:
        self.configure(mold, "def pre_fork(server, worker):\n    raise RuntimeError('no vault')\n")
        mold.send("fork", worker=1)
        exited = mold.expect("worker-exited")
        assert (exited["worker"], exited["pid"], exited["status"]) == (1, 0, 3)
        assert exited["report"].startswith("The hook pre_fork raised\nTraceback")
        assert exited["report"].endswith("RuntimeError: no vault")

    @pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
    def test_a_worker_that_is_not_forked_leaves_no_file_open(self, mold: MoldProcess) -> None:
        config = "def pre_fork(server, worker):\n    raise RuntimeError('no vault')\n"
        self.configure(mold, config, error_log_json=True)
        open_files = Path(f"/proc/{mold.process.pid}/fd")
        before = sorted(open_files.iterdir())
        mold.send("fork", worker=1)
        mold.expect("worker-exited")
        assert sorted(open_files.iterdir()) == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    @pytest.mark.parametrize("stdout", ["open('/dev/full', 'w')", "None"])
    def test_workers_are_forked_although_standard_output_takes_nothing(
        self, start_mold: StartMold, short_folder: Path, stdout: str
    ) -> None:
        source = f"import sys\nsys.stdout = {stdout}\nprint('waits in a buffer')\n"
        write_modules(short_folder, {"app.py": f"{source}{HELLO_APPLICATION}"})
        mold = start_mold({"PYTHONUNBUFFERED": ""})
        mold.configure()
        mold.send("load")
        mold.expect("loaded")
        mold.fork()

    @pytest.mark.skipif(sys.platform != "linux", reason="only there one process may limit another")
    def test_a_mold_without_a_descriptor_left_forks_no_worker_and_lives_on(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.configure()
        limits = resource.prlimit(mold.process.pid, resource.RLIMIT_NOFILE)
        highest = max(int(entry.name) for entry in Path(f"/proc/{mold.process.pid}/fd").iterdir())
        resource.prlimit(mold.process.pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        mold.send("fork", worker=1)
        exited = mold.expect("worker-exited")
        assert exited["report"].startswith("Cannot fork a worker: ")
        resource.prlimit(mold.process.pid, resource.RLIMIT_NOFILE, limits)
        mold.fork(2)
        assert router.accept().receive_hello()["worker"] == 2

    def test_programs_that_hooks_start_can_be_signalled(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        names = "INT TERM QUIT HUP USR1 USR2"
        self.configure(
            mold,
            "import subprocess\n"
            "def show(server, hook):\n"
            f"    for name in '{names}'.split():\n"
            "        program = ['sh', '-c', f'kill -s {name} $$; exit 0']\n"
            "        server.log.info('%s: %s %s', hook, name, subprocess.call(program))\n"
            "def when_ready(server):\n"
            "    show(server, 'mold')\n"
            "def post_fork(server, worker):\n"
            "    show(server, 'worker')\n"
            "def worker_exit(server, worker):\n"
            "    show(server, 'worker that leaves')\n",
        )
        mold.fork()
        router.accept().drain()
        mold.expect("worker-exited")
        mold.send("hook", hook="when_ready")
        mold.expect("hook-done")
        for process in ("mold", "worker", "worker that leaves"):
            for name in names.split():
                assert f"{process}: {name} {-signal.Signals[f'SIG{name}']}" in mold.stderr

    def test_hooks_see_the_workers_that_live(self, mold: MoldProcess, router: RouterListener) -> None:
        self.configure(
            mold,
            "def when_ready(server):\n"
            "    server.log.info('workers %s', {pid: w.age for pid, w in server.WORKERS.items()})\n",
        )
        pid = mold.fork(5)
        mold.send("hook", hook="when_ready")
        mold.expect("hook-done")
        assert f"workers {{{pid}: 5}}" in mold.stderr
        router.accept().receive_hello()
        mold.send("signal", worker=5, signal="SIGKILL")
        mold.expect("worker-exited")
        mold.send("hook", hook="when_ready")
        mold.expect("hook-done")
        assert mold.stderr.rstrip().endswith("workers {}")


class TestFork:
    def test_a_worker_dials_the_router_and_answers_a_request(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.configure()
        mold.send("fork", worker=12)
        forked = mold.expect("forked")
        channel = router.accept()
        assert channel.receive_hello() == {
            "version": 1,
            "pid": forked["pid"],
            "worker": 12,
            "generation": 7,
            "isPulling": False,
            "thread": 0,
        }
        assert channel.expect(READY).flags == 0
        channel.request(1)
        (answer,) = channel.receive_response()
        assert answer.flags == END | TAKES_MORE
        assert answer.stream == 1
        assert response_of(answer)[:3] == (200, "OK", "Content-Type: text/plain\r\n")
        assert response_of(answer).body == b"hello"
        assert forked["worker"] == 12
        assert forked["pid"] != mold.process.pid

    def test_each_worker_has_a_channel_of_its_own(self, mold: MoldProcess, router: RouterListener) -> None:
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.configure(workers=3)
        pids = {age: mold.fork(age) for age in (1, 2, 3)}
        hellos = [router.accept().receive_hello() for _ in range(3)]
        assert {hello["worker"]: hello["pid"] for hello in hellos} == pids

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads open descriptors from /proc")
    def test_a_worker_has_none_of_the_molds_descriptors(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.configure(workers=2)
        for age in (1, 2):
            mold.fork(age)
            channel = router.accept()
            channel.receive_hello()
            channel.expect(READY)
        pid = mold.fork(3)
        channel = router.accept()
        channel.receive_hello()
        channel.expect(READY)
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
        # Its channel to the router, and the pipe through which it could say why it cannot boot.
        assert sorted(target.partition(":")[0] for target in opened) == ["pipe", "socket"]

    def test_an_order_before_the_settings_ends_the_mold_with_a_reason(self, mold: MoldProcess) -> None:
        mold.send("fork", worker=1)
        assert mold.wait() == 1
        assert "the arbiter gave an order before it configured the mold" in mold.stderr

    def test_an_order_that_nobody_knows_ends_the_mold_with_a_reason(self, mold: MoldProcess) -> None:
        mold.send("dance")
        assert mold.wait() == 1
        assert "the arbiter sent a message of type 'dance'" in mold.stderr


class TestWorkerExited:
    def test_a_worker_that_the_router_drains_leaves_with_status_0(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        worker = start_worker(HELLO_APPLICATION)
        worker.channel.drain()
        worker.channel.expect_end()
        assert mold.expect("worker-exited") == {
            "type": "worker-exited",
            "worker": 1,
            "pid": worker.pid,
            "status": 0,
            "signal": None,
            "report": None,
        }

    def test_a_worker_that_ends_itself_is_told_with_its_status(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        worker = start_worker("import os\n\ndef application(environ, start_response):\n    os._exit(9)\n")
        worker.channel.request()
        worker.channel.expect_end()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (9, None, None)

    @pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGUSR2"])
    def test_a_worker_that_dies_of_a_signal_is_told_with_its_name(
        self, mold: MoldProcess, start_worker: StartWorker, name: str
    ) -> None:
        start_worker(HELLO_APPLICATION)
        mold.send("signal", worker=1, signal=name)
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (0, name, None)

    def test_several_workers_that_die_at_once_are_all_told(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.configure()
        pids = [mold.fork(age) for age in range(1, 5)]
        for _ in pids:
            router.accept().receive_hello()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert {mold.expect("worker-exited")["pid"] for _ in pids} == set(pids)

    def test_a_worker_that_the_preloaded_application_has_reaped_is_told(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        ignoring = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        write_modules(mold.folder, {"app.py": ignoring + HELLO_APPLICATION})
        mold.configure()
        mold.send("load")
        mold.expect("loaded")
        pid = mold.fork()
        router.accept().receive_hello()
        for _ in range(2):
            mold.send("signal", worker=1, signal="SIGKILL")
        assert mold.expect("worker-exited")["pid"] == pid
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")

    def test_a_signal_for_a_worker_that_is_gone_means_nothing(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        start_worker(HELLO_APPLICATION)
        for _ in range(2):
            mold.send("signal", worker=1, signal="SIGKILL")
        mold.expect("worker-exited")
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")


class TestBootFailures:
    @pytest.mark.parametrize(
        ("spec", "exit_status", "begins", "ends"),
        [
            *LOAD_FAILURES,
            pytest.param(
                "exits",
                3,
                'Cannot load application "exits": importing "exits" failed\nTraceback',
                "SystemExit: 0",
                id="module that ends the process",
            ),
        ],
    )
    def test_a_worker_that_cannot_boot_says_why(
        self, mold: MoldProcess, spec: str, exit_status: int, begins: str, ends: str
    ) -> None:
        write_modules(mold.folder, FAILING_MODULES)
        mold.configure(wsgi_app=spec)
        pid = mold.fork()
        exited = mold.expect("worker-exited")
        assert (exited["pid"], exited["status"], exited["signal"]) == (pid, exit_status, None)
        assert exited["report"].startswith(begins.replace("{folder}", str(mold.folder)))
        assert exited["report"].endswith(ends)

    def test_a_reason_with_a_file_name_that_is_not_utf_8_is_told(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"app.py": "raise RuntimeError('no caf\\udce9')"})
        mold.configure()
        mold.fork()
        exited = mold.expect("worker-exited")
        assert exited["status"] == 3
        assert exited["report"].endswith("RuntimeError: no caf\\udce9")

    def test_a_post_worker_init_that_raises_fails_the_boot(self, mold: MoldProcess) -> None:
        config = "def post_worker_init(worker):\n    raise RuntimeError('no vault')\n"
        write_modules(mold.folder, {"gunicorn.conf.py": config, "app.py": HELLO_APPLICATION})
        mold.read_config("gunicorn.conf.py")
        mold.configure()
        mold.fork()
        exited = mold.expect("worker-exited")
        assert exited["status"] == 3
        assert exited["report"].startswith("The hook post_worker_init raised\nTraceback")
        assert exited["report"].endswith("RuntimeError: no vault")

    def test_a_report_that_is_too_long_for_the_pipe_is_cut(self, mold: MoldProcess) -> None:
        write_modules(mold.folder, {"broken.py": "raise RuntimeError('\\u2603' * 500_000)\n"})
        mold.configure(wsgi_app="broken")
        mold.fork()
        exited = mold.expect("worker-exited")
        assert exited["status"] == 3
        assert 50_000 < len(exited["report"].encode()) < 64 * 1024

    def test_the_mold_forks_on_after_a_worker_that_could_not_boot(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        mold.configure()
        mold.fork(1)
        assert mold.expect("worker-exited")["status"] == 3
        write_modules(mold.folder, {"app.py": HELLO_APPLICATION})
        mold.fork(2)
        assert router.accept().receive_hello()["worker"] == 2

    def test_a_worker_that_is_told_to_quit_while_it_boots_is_no_failure_of_the_application(
        self, mold: MoldProcess
    ) -> None:
        # Ctrl-C reaches the whole group: the arbiter stops, and must not hear of a broken application.
        gate = mold.folder / "gate"
        os.mkfifo(gate)
        # In one long wait a signal could come a moment too soon to end it; and what a handler raises while a
        # file object is taken away, Python drops.
        wait = f"os.read(os.open({str(gate)!r}, os.O_RDONLY), 1)"
        source = f"import os, time\n{wait}\nwhile True:\n    time.sleep(0.01)\n"
        write_modules(mold.folder, {"app.py": source})
        mold.configure()
        pid = mold.fork()
        # Opens when the application, at the other end, opens it to read.
        gate.open("wb").close()
        os.kill(pid, signal.SIGINT)
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (0, None, None)


class TestLeaving:
    def test_stop_ends_the_mold(self, mold: MoldProcess) -> None:
        mold.configure()
        mold.send("stop")
        assert mold.wait() == 0

    def test_signals_are_left_to_the_arbiter(self, mold: MoldProcess) -> None:
        mold.configure()
        for number in ARBITER_SIGNALS:
            mold.process.send_signal(number)
            assert mold.expect("signalled")["signal"] == number.name
        mold.send("stop")
        assert mold.wait() == 0

    def test_signals_to_the_process_group_do_not_end_an_interpreter_that_ends(
        self, mold: MoldProcess, router: RouterListener
    ) -> None:
        source = (
            "import os, signal, sys\n"
            "numbers = [getattr(signal, f'SIG{name}') for name in 'INT TERM QUIT HUP USR1 USR2'.split()]\n"
            "class LastOfAll:\n"
            "    def __del__(self, kill=os.kill, pid=os.getpid, numbers=numbers, mkdir=os.mkdir):\n"
            "        for number in numbers:\n"
            "            kill(pid(), number)\n"
            "        mkdir(f'ended-{pid()}')\n"
            "sys.last_of_all = LastOfAll()\n"
        )
        write_modules(mold.folder, {"app.py": f"{source}{HELLO_APPLICATION}"})
        mold.configure()
        mold.send("load")
        mold.expect("loaded")
        pid = mold.fork()
        router.accept().drain()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"]) == (0, None)
        mold.send("stop")
        assert mold.wait() == 0
        assert {path.name for path in mold.folder.glob("ended-*")} == {
            f"ended-{pid}",
            f"ended-{mold.process.pid}",
        }

    def test_an_orphaned_mold_leaves_and_removes_the_runtime_directory(self, mold: MoldProcess) -> None:
        mold.configure()
        (mold.runtime_directory / "body-1").write_bytes(b"x")
        mold.disappear()
        assert mold.wait() == 0
        assert not mold.runtime_directory.exists()

    def test_a_mold_that_was_never_configured_leaves_when_the_arbiter_is_gone(
        self, mold: MoldProcess
    ) -> None:
        mold.disappear()
        assert mold.wait() == 0
        assert mold.stderr == ""

    def test_the_workers_of_an_orphaned_mold_finish_and_leave_with_it(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        gate = mold.folder / "gate"
        os.mkfifo(gate)
        worker = start_worker(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    yield b'first'\n"
            f"    yield open({str(gate)!r}, 'rb').read()\n"
        )
        worker.channel.request()
        assert worker.channel.receive() is not None
        with gate.open("wb") as writing:
            mold.disappear()
            writing.write(b"second")
        # The router has noticed too, and lets the worker go.
        frames = []
        while (received := worker.channel.receive()) is not None:
            frames.append(received)
            if received.flags & END:
                worker.channel.drain()
        assert b"second" in [received.body for received in frames if received.kind != READY]
        assert mold.wait() == 0
        assert not mold.runtime_directory.exists()

    def test_a_worker_of_an_orphaned_mold_that_does_not_finish_is_killed(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        gate = mold.folder / "gate"
        os.mkfifo(gate)
        worker = start_worker(
            f"def application(environ, start_response):\n    open({str(gate)!r}).read()\n",
            graceful_timeout=0,
        )
        worker.channel.request()
        with gate.open("wb"):
            mold.disappear()
            assert mold.wait() == 0
            worker.channel.expect_end()
        assert not mold.runtime_directory.exists()

    def test_workers_serve_on_when_their_mold_is_killed_and_leave_when_their_router_goes(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        worker = start_worker(HELLO_APPLICATION)
        mold.process.kill()
        mold.wait()
        worker.channel.request()
        assert body_of(worker.channel.receive_response()) == b"hello"
        worker.channel.close()
        # Without a mold nobody replaces the worker: it does not dial the next router.
        mold.wait_for_all(AT_ONCE_SECONDS)
        assert f"Worker exiting (pid: {worker.pid})" in mold.stderr


def test_a_mold_finds_modules_where_pythonpath_says_under_safe_path(
    start_mold: StartMold, short_folder: Path
) -> None:
    folder = short_folder / "lib"
    write_modules(folder, {"shop.py": HELLO_APPLICATION})
    mold = start_mold({"PYTHONSAFEPATH": "1", "PYTHONPATH": str(folder)})
    mold.configure(wsgi_app="shop")
    mold.send("load")
    mold.expect("loaded")
