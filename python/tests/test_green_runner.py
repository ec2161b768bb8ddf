"""Which greenlet runs what, with gevent's own hub."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import gevent.event
import pytest
from tunicorn import green_runner
from tunicorn.green_runner import SLICE_SECONDS, GreenRunner
from tunicorn.workers.gevent import GeventHub

from tests.helpers.deadlines import DEADLINE_SECONDS


class Tasks:
    """A runner whose tasks write down in which greenlet they were run."""

    def __init__(self) -> None:
        self.runner = GreenRunner(GeventHub(), self._run)
        self.greenlets: dict[str, object] = {}
        self.begun: list[str] = []
        self.ended: list[str] = []

    def submit(self, name: str, do: Callable[[], object] = lambda: None) -> None:
        self.runner.submit(name, do)

    def _run(self, name: str, do: Callable[[], object]) -> None:
        self.greenlets[name] = gevent.getcurrent()
        self.begun.append(name)
        do()
        assert gevent.getcurrent() is self.greenlets[name]
        self.ended.append(name)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    """No slice ends meanwhile, however slow the machine is."""
    monkeypatch.setattr(green_runner, "SLICE_SECONDS", DEADLINE_SECONDS)
    return Tasks()


def turn(times: int = 4) -> None:
    """Lets the hub and its greenlets run."""
    for _ in range(times):
        gevent.sleep(0)


def test_tasks_that_wait_for_nothing_share_a_greenlet(tasks: Tasks) -> None:
    for name in "abc":
        tasks.submit(name)
    assert tasks.begun == []
    turn()
    assert tasks.ended == ["a", "b", "c"]
    assert len(set(map(id, tasks.greenlets.values()))) == 1
    assert tasks.greenlets["a"] is not gevent.getcurrent()


@pytest.mark.parametrize("waiting", ["a", "b", "c"])
def test_one_that_waits_keeps_its_greenlet_and_holds_up_no_other(tasks: Tasks, waiting: str) -> None:
    event = gevent.event.Event()
    for name in "abc":
        tasks.submit(name, event.wait if name == waiting else lambda: None)
    turn()
    assert tasks.begun == ["a", "b", "c"]
    assert sorted([*tasks.ended, waiting]) == ["a", "b", "c"]
    event.set()
    tasks.submit("d")
    turn()
    assert waiting in tasks.ended
    assert tasks.greenlets["d"] is not tasks.greenlets[waiting]
    behind = [name for name in "abc" if name > waiting]
    assert all(tasks.greenlets[name] is not tasks.greenlets[waiting] for name in behind)


def test_a_thousand_that_wait_all_begin(tasks: Tasks) -> None:
    event = gevent.event.Event()
    for number in range(1000):
        tasks.submit(str(number), event.wait)
    turn(3000)
    assert len(tasks.begun) == 1000
    assert len(set(map(id, tasks.greenlets.values()))) == 1000
    event.set()
    turn(3)
    assert len(tasks.ended) == 1000


def test_one_that_raises_holds_up_no_other(tasks: Tasks, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("of the task")

    for name in "abc":
        tasks.submit(name, fail if name != "b" else lambda: None)
    turn(6)
    assert tasks.begun == ["a", "b", "c"]
    assert tasks.ended == ["b"]
    tasks.submit("d")
    turn()
    assert tasks.ended == ["b", "d"]
    assert "of the task" in capfd.readouterr().err


def test_others_have_their_turn_between_tasks_that_take_long() -> None:
    tasks = Tasks()
    for name in "abc":
        tasks.submit(name, lambda: time.sleep(2 * SLICE_SECONDS))
    seen: list[int] = []
    while len(tasks.ended) < 3:
        gevent.sleep(0)
        seen.append(len(tasks.ended))
    assert {1, 2} <= set(seen)
