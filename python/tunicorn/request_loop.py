"""Takes requests over a channel, or from the shared queue, one after another, and has them answered."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from tunicorn import frame
from tunicorn.puller import Puller
from tunicorn.queue import Pulled
from tunicorn.request_hooks import make_gateway
from tunicorn.request_names import name_in_head
from tunicorn.router_link import RouterLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunicorn.channel import Frame
    from tunicorn.waker import Waker
    from tunicorn.workers.base import Worker


class RequestLoop:
    """What a sync worker does all its life, and a gthread worker in each of its threads."""

    def __init__(self, worker: Worker, thread: int = 0, waker: Waker | None = None) -> None:
        self._worker = worker
        self._thread = thread
        #: For a loop in a thread of its own.
        self._waker = waker
        self._channel_paths: Sequence[str] = ()
        #: By the numbers of the routers.
        self._links: dict[int, RouterLink] = {}
        self._puller: Puller | None = None
        #: A router has opened the queue, and it has not ended since.
        self._is_queue_open = False
        self._is_receiving = False

    @property
    def is_waiting(self) -> bool:
        """Nothing is half sent, so a signal handler of the same thread may send."""
        return self._is_receiving or (self._puller is not None and self._puller.is_waiting)

    def run(self, channel_paths: Sequence[str]) -> None:
        """Dials the routers, and handles requests until one says to leave, or none is left."""
        self._channel_paths = channel_paths
        for router in range(len(channel_paths)):
            self._dial(router)
        while self._links and not self._is_done:
            lost = [router for router, link in self._links.items() if link.channel.is_lost]
            if lost:
                self._dial(lost[0])
            elif self._is_queue_open:
                self._pull()
            else:
                self._receive()
        for link in self._links.values():
            if link.ring is not None:
                link.say_ready(frame.LAST)
            link.close()
        self._links.clear()

    def ask_to_leave(self) -> bool:
        """Whether the worker leaves. It tells the routers so, once."""
        if self._worker.alive:
            return False
        for link in self._links.values():
            link.ask_to_leave()
        return True

    def wake(self) -> None:
        """From a signal handler: a wait ends, or does not begin."""
        # Its thread may let go of it at any moment.
        puller = self._puller
        if puller is not None:
            puller.wake()
        if self._waker is not None:
            self._waker.wake()

    @property
    def _is_done(self) -> bool:
        """A router has said that nothing more will come, or nothing more is to be taken."""
        # Who leaves dials no more, and without all routers it cannot take every token that it finds.
        is_partial = len(self._links) < len(self._channel_paths)
        if self._is_queue_open and is_partial and not self._worker.alive:
            return True
        return any(link.channel.is_drained for link in self._links.values())

    def _dial(self, router: int) -> RouterLink | None:
        """Reaches a router, also one that has taken the place of a dead one."""
        before = self._links.pop(router, None)
        if before is not None:
            before.close()
        channel = self._worker.dial(self._channel_paths[router], self._thread)
        if channel is None:
            return None
        place = self._worker.queue_place
        ring_path = None if place is None else place.ring_paths[router]
        link = self._links[router] = RouterLink(channel, make_gateway(self._worker, channel), ring_path)
        link.say_ready()
        return link

    def _receive(self) -> None:
        """Handles the next frame of a router. One that is gone is found to be lost."""
        # Before the check: a signal between the two would find nobody who asks.
        self._is_receiving = True
        self.ask_to_leave()
        link = self._await_frame()
        received = None if link is None else link.channel.receive()
        self._is_receiving = False
        if link is None or received is None or received.kind == frame.CANCEL:
            return
        if received.kind == frame.REQUEST:
            self._answer(link, received)
            return
        if received.kind not in (frame.PULL, frame.DRAIN):
            raise frame.ProtocolError(f"the router sent a frame of type {received.kind}")
        link.note(received)
        self._is_queue_open = link.ring is not None

    def _await_frame(self) -> RouterLink | None:
        """The router that has said something, or is gone; None when woken."""
        links = self._links.values()
        for link in links:
            if link.channel.has_frame or (len(links) == 1 and self._waker is None):
                return link
        poll = select.poll()
        for link in links:
            poll.register(link.channel, select.POLLIN)
        if self._waker is not None:
            poll.register(self._waker, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        if self._waker is not None:
            self._waker.clear()
        return next((link for link in links if link.channel.fileno() in ready), None)

    def _pull(self) -> None:
        """Takes requests from the shared queue until it ends, or there is something else to do."""
        place = self._worker.queue_place
        assert place is not None
        try:
            puller = self._puller = Puller(place.tokens_path, self._links, self._dial, self._handle)
        except FileNotFoundError:
            # The generation has been retired meanwhile, which DRAIN will say.
            self._is_queue_open = False
            return
        try:
            puller.pull(self.ask_to_leave)
        except ConnectionError:
            self._worker.log.debug("A router went away during a request")
        finally:
            self._is_queue_open = not puller.is_ended
            self._puller = None
            puller.close()

    def _answer(self, link: RouterLink, request: Frame) -> None:
        """Answers a request that came over the channel."""
        last = frame.LAST if self._worker.has_one_request else 0
        if not self._handle(link, request, frame.TAKES_MORE | last):
            link.say_ready(last)

    def _handle(self, link: RouterLink, request: Frame | Pulled, after: int = 0) -> bool:
        """Calls the application for a request. Whether the flags in after were sent."""
        self._worker.count_request()
        if self._worker.has_one_request:
            link.has_asked_to_leave = True
            # Over the channel the router answers LAST with DRAIN.
            link.channel.is_drained = link.ring is not None
        try:
            body = request.body if isinstance(request, Pulled) else None
            return link.gateway.handle(request.stream, request.flags, request.payload, after, large_body=body)
        except SystemExit as error:
            # The router is told that it failed, and has nothing to name.
            self._worker.report_exit(name_in_head(request.payload), error)
            raise
        except ConnectionError:
            # The router is gone, and its clients with it; what the application did is done.
            self._worker.log.debug("The router went away during a request")
            return False
