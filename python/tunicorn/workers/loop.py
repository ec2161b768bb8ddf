"""What the workers with an event loop share: many requests at a time, each a task or a handler."""

from __future__ import annotations

import asyncio
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol

from tunicorn import frame
from tunicorn.channel import DIAL_SECONDS, dial_pauses, encode_hello
from tunicorn.event_loop import make_loop
from tunicorn.left_tasks import end_tasks
from tunicorn.stream_channel import StreamChannel
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import Any

    from tunicorn.stream import Stream

#: For calls that were cancelled, and for the lifespan at a quick stop. Soon after, the arbiter kills.
QUICK_SECONDS: Final = 0.7
#: For what is left after these: all together must end before that.
LAST_SECONDS: Final = 0.2


class Calls(Protocol):
    """The requests of a worker that are under way."""

    def begin(self, channel: StreamChannel, number: int, flags: int, payload: bytes) -> Stream:
        """A request has come."""

    def on_abandoned(self, request: Any) -> None:
        """The client of a request is gone."""

    async def wait_until_idle(self) -> None:
        """Returns when nothing is under way."""

    def cancel(self, reason: str) -> bool:
        """Ends what is left, and says what it is. Whether there was any."""

    def expect_exit(self) -> None:
        """The worker ends now: SystemExit is not the application's."""


class LoopWorker(Worker):
    """Takes requests as they come. What is made of them is for the subclasses."""

    @property
    def loop_kind(self) -> str | None:
        """The event loop, where it is not for the setting to say."""
        return None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: Calls | None = None
        #: One to each router that was reached.
        self._channels: set[StreamChannel] = set()
        #: The loop runs, and handles signals.
        self._is_live = False
        #: Set by QUIT and INT: nothing is waited for any more.
        self._quick = asyncio.Event()

    def init_process(self) -> None:
        """Sets the loop first: modules of the application may ask for it."""
        self._loop = make_loop(self.loop_kind or str(self.cfg.asgi_loop), self.log)
        asyncio.set_event_loop(self._loop)
        super().init_process()

    def serve(self, channel_paths: Sequence[str]) -> None:
        assert self._loop is not None
        self._loop.run_until_complete(self._live(channel_paths))

    async def _live(self, channel_paths: Sequence[str]) -> None:
        self._install_loop_signals()
        self._calls = await self.start_application()
        credit = 1 if self.has_one_request else max(1, int(self.cfg.worker_connections) // len(channel_paths))
        served = asyncio.gather(*(self._serve_router(path, credit) for path in channel_paths))
        await self._first_of(served, self._quick.wait())
        await self._leave(self._calls)

    async def start_application(self) -> Calls:
        """Who answers the requests. Raises BootError when the application does not start."""
        raise NotImplementedError

    async def stop_application(self, seconds: float) -> None:
        """The last call is over: the application may take so long to end."""

    async def _serve_router(self, path: str, credit: int) -> None:
        """Serves a router, and those that follow it when it dies, until no request will come."""
        while (channel := await self._dial(path)) is not None:
            # Heads as they came, and bodies as they come.
            multiplexing = {"credit": credit, "interface": "asgi"}
            channel.write(encode_hello(self.age, self.generation, multiplexing=multiplexing))
            channel.write(frame.encode(frame.READY))
            self._channels.add(channel)
            if not self.alive:
                channel.ask_to_leave()
            await channel.is_over.wait()
            if channel.is_drained:
                return

    async def _dial(self, path: str) -> StreamChannel | None:
        """Reaches a router; None when there is none, or the worker leaves."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DIAL_SECONDS
        pauses = dial_pauses()
        while self.alive and os.getppid() == self.ppid and loop.time() < deadline:
            try:
                _, channel = await loop.create_unix_connection(lambda: StreamChannel(loop, self), path)
            except (FileNotFoundError, ConnectionError):
                await asyncio.sleep(next(pauses))
                continue
            return channel
        return None

    def begin(self, channel: StreamChannel, number: int, flags: int, payload: bytes) -> Stream:
        """A request has come."""
        assert self._calls is not None
        self.count_request()
        return self._calls.begin(channel, number, flags, payload)

    def on_abandoned(self, request: Any) -> None:
        """The client of a request is gone."""
        assert self._calls is not None
        self._calls.on_abandoned(request)

    def on_drain(self) -> None:
        """No further request will come from one of the routers; the others will say so too."""
        self.hear_of_exit()
        self.alive = False

    def on_lost(self, channel: StreamChannel, error: Exception | None) -> None:
        """A router is gone."""
        if error is not None:
            self.log.debug("The channel to the router broke: %s", error)
        self._channels.discard(channel)

    def leave_when_replaced(self) -> None:
        super().leave_when_replaced()
        for channel in self._channels:
            channel.ask_to_leave()

    async def _leave(self, calls: Calls) -> None:
        """Lets the calls finish, then the application; each as long as graceful_timeout allows."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(self.cfg.graceful_timeout)
        await self._first_of(calls.wait_until_idle(), self._quick.wait(), seconds=deadline - loop.time())
        if calls.cancel("Leaving now" if self._quick.is_set() else "graceful_timeout is over"):
            await self._first_of(calls.wait_until_idle(), seconds=QUICK_SECONDS)
        await self._close_channels(deadline - loop.time())
        await self.stop_application(deadline - loop.time())
        await end_tasks(self.log, LAST_SECONDS if self._quick.is_set() else QUICK_SECONDS)

    async def _close_channels(self, seconds: float) -> None:
        """The router may not have taken the last answers yet, which would be lost with the worker."""
        channels = list(self._channels)
        for channel in channels:
            channel.close()
        sent = asyncio.gather(*(channel.is_lost.wait() for channel in channels))
        await self._first_of(sent, self._quick.wait(), seconds=seconds)

    @staticmethod
    async def _first_of(*steps: Awaitable[object], seconds: float | None = None) -> bool:
        """Waits for one of the steps and gives up the others. False when the time is over before."""
        tasks = [asyncio.ensure_future(step) for step in steps]
        done, pending = await asyncio.wait(
            tasks, timeout=None if seconds is None else max(0, seconds), return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        return bool(done)

    def _install_loop_signals(self) -> None:
        """ABRT keeps its handler, which also interrupts code that blocks the loop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        loop.add_signal_handler(signal.SIGUSR1, self.handle_usr1, signal.SIGUSR1, None)
        for number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self.handle_quit, number, None)
        self._is_live = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.leave_when_replaced()

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        if self._calls is not None:
            self._calls.expect_exit()
        super().handle_abort(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        if not self._is_live:
            super().handle_quit(sig, frame)
        elif self._begin_to_quit():
            self._quick.set()
