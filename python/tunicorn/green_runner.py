"""Runs what has come in greenlets, of which there are only as many as wait."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.green_channel import Hub

#: After this time what waits elsewhere has its turn: answers to be sent, other greenlets, new requests.
SLICE_SECONDS: Final = 0.001


class GreenRunner:
    """Calls a function for one task after another, in a greenlet.

    To make a greenlet and to end it takes as long as a small request, and most requests of most applications
    wait for nothing. So a greenlet goes on with the next task until one waits; then that task keeps the
    greenlet for itself, and another greenlet goes on.
    """

    def __init__(self, hub: Hub, function: Callable[..., object]) -> None:
        self._hub = hub
        self._function = function
        self._tasks: deque[tuple[Any, ...]] = deque()
        #: The hub will see to what is to be done.
        self._is_hub_told = False
        #: Counts the turns of the hub that were asked for.
        self._turn = 0

    def submit(self, *task: Any) -> None:
        """Has the function called with these arguments soon."""
        self._tasks.append(task)
        if not self._is_hub_told:
            self._is_hub_told = True
            self._hub.spawn(self._go_on)

    def _go_on(self) -> None:
        self._is_hub_told = False
        tasks = self._tasks
        end = monotonic() + SLICE_SECONDS
        while tasks:
            task = tasks.popleft()
            if not tasks:
                self._function(*task)
                return
            if not self._is_hub_told:
                self._is_hub_told = True
                self._hub.call_soon(self._on_turn)
            turn = self._turn
            self._function(*task)
            if self._turn != turn or monotonic() > end:
                return

    def _on_turn(self) -> None:
        """The hub runs, so the greenlet that went on waits for something, or has ended."""
        self._turn += 1
        if self._tasks:
            self._hub.spawn(self._go_on)
        else:
            self._is_hub_told = False
