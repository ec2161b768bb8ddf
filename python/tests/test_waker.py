"""Waking a thread that waits."""

from __future__ import annotations

import select

import pytest
from tunicorn.waker import Waker


@pytest.fixture
def waker() -> Waker:
    return Waker()


def is_woken(waker: Waker) -> bool:
    poll = select.poll()
    poll.register(waker, select.POLLIN)
    return bool(poll.poll(0))


def test_nobody_is_woken_without_reason(waker: Waker) -> None:
    assert is_woken(waker) is False


def test_who_waits_or_is_about_to_is_woken_until_it_is_cleared(waker: Waker) -> None:
    waker.wake()
    waker.wake()
    assert is_woken(waker) is True
    waker.clear()
    assert is_woken(waker) is False
    waker.clear()
    assert is_woken(waker) is False


def test_waking_one_that_does_not_listen_never_blocks(waker: Waker) -> None:
    for _ in range(100_000):
        waker.wake()
    while is_woken(waker):
        waker.clear()
