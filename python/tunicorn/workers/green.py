"""What the workers of greenlets share: many requests at a time, each in a greenlet that may wait."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from tunicorn import frame
from tunicorn.channel import Channel, encode_hello
from tunicorn.green_channel import GreenChannel
from tunicorn.green_runner import GreenRunner
from tunicorn.request_hooks import make_gateway
from tunicorn.request_names import listed, name_in_head
from tunicorn.workers.base import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any

    from tunicorn.green_channel import GreenStream, Hub
    from tunicorn.wsgi import WsgiGateway

#: A process that waits for ever sleeps this long at a time.
CHILD_SECONDS: Final = 3600.0


class GreenWorker(Worker):
    """The router gives it requests as they come, at most worker_connections at a time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: One to each router that was reached.
        self._channels: dict[GreenChannel, WsgiGateway] = {}
        self._hub: Hub | None = None
        self._runner: GreenRunner | None = None
        self._credit = 1

    def patch(self) -> None:
        """Makes the standard library wait in greenlets; before the application is imported."""
        raise NotImplementedError

    def make_hub(self) -> Hub:
        """The loop of the greenlets, on the patched library."""
        raise NotImplementedError

    def init_process(self) -> None:
        """Patches first: modules of the application hold on to what they import."""
        self.patch()
        self._hub = self.make_hub()
        self._runner = GreenRunner(self._hub, self._handle)
        super().init_process()

    def serve(self, channel_paths: Sequence[str]) -> None:
        hub = self._hub
        assert hub is not None
        # Of several routers each has a greenlet; this one waits for all of them.
        others = channel_paths[1:]
        waiting = [threading.Thread(target=self._serve_router, args=(path, hub)) for path in others]
        if not self.has_one_request:
            self._credit = max(1, int(self.cfg.worker_connections) // len(channel_paths))
        for thread in waiting:
            thread.start()
        self._serve_router(channel_paths[0], hub)
        for thread in waiting:
            thread.join()

    def _serve_router(self, path: str, hub: Hub) -> None:
        """Serves a router, and those that follow it when it dies, until no request will come."""
        while self.alive and os.getppid() == self.ppid:
            dialled = Channel.dial(path, lambda: self.alive)
            if dialled is None:
                return
            channel = GreenChannel(dialled, self, hub)
            gateway = make_gateway(self, dialled)
            multiplexing = {"credit": self._credit, "interface": self.interface}
            channel.write(encode_hello(self.age, self.generation, multiplexing=multiplexing))
            channel.write(frame.encode(frame.READY))
            self._channels[channel] = gateway
            if not self.alive:
                channel.ask_to_leave()
            channel.run()
            self._stay_out_of_child()
            if channel.streams:
                # At the end of a stop the router may cut them off before the worker is told to leave.
                names = listed([name_in_head(stream.head) for stream in channel.streams.values()])
                reason = "The router is gone" if self.alive else "Leaving now"
                self.log.warning("%s: cutting off %s", reason, names)
            del self._channels[channel]
            dialled.close()

    def _stay_out_of_child(self) -> None:
        """In a process that the application has forked its greenlet alone goes on, whenever that waits."""
        while os.getpid() != self.pid:
            time.sleep(CHILD_SECONDS)

    def begin(self, stream: GreenStream, flags: int, payload: bytes) -> None:
        """A request has come."""
        assert self._runner is not None
        self.count_request()
        self._runner.submit(stream, flags, payload)

    def on_drain(self, channel: GreenChannel) -> None:
        """No further request will come from one of the routers; the others will say so too."""
        self.hear_of_exit()
        self.alive = False
        channel.stop_if_done()

    def leave_when_replaced(self) -> None:
        super().leave_when_replaced()
        self._ask_to_leave()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._ask_to_leave()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        # Not here: whatever the handler has interrupted may be the hub, which may not wait.
        if self._hub is None:
            super().handle_quit(sig, frame)
            return
        self.alive = False
        self._hub.spawn(self._quit)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        # SystemExit would end the greenlet that is stuck, and not the worker.
        self.alive = False
        self.aborted = True
        self.server.call_hook("worker_abort", self)
        self.say_goodbye()
        os._exit(1)

    def _handle(self, stream: GreenStream, flags: int, payload: bytes) -> None:
        channel = stream.channel
        try:
            self._channels[channel].handle(stream.number, flags, payload, 0, stream)
        except ConnectionError:
            # The router is gone, and its clients with it; what the application did is done.
            self.log.debug("The router went away during a request")
        except SystemExit as error:
            self.report_exit(name_in_head(payload), error)
            self.alive = False
            self._ask_to_leave()
        finally:
            if os.getpid() != self.pid:
                # The call has returned in a process that it has forked: its parent answers.
                os._exit(0)
            channel.end(stream.number)

    def _quit(self) -> None:
        if not self._begin_to_quit():
            return
        for channel in list(self._channels):
            channel.stop()

    def _ask_to_leave(self) -> None:
        for channel in list(self._channels):
            channel.ask_to_leave()
