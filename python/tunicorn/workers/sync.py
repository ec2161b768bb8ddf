"""The sync worker: one request at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.request_loop import RequestLoop
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any


class SyncWorker(Worker):
    """Takes a request, calls the application, answers, and takes the next.

    Where there is a shared queue it pulls its requests from there, else they come over the channel.
    """

    limits_tunnels = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loop = RequestLoop(self)

    def serve(self, channel_paths: Sequence[str]) -> None:
        self._loop.run(channel_paths)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop.is_waiting:
            self._loop.ask_to_leave()
            self._loop.wake()
