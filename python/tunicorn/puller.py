"""Pulls requests from the shared queue, one after another."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tunicorn import frame
from tunicorn.queue import BY_CHANNEL, Pulled, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.identity import Identity
    from tunicorn.queue import Ring, Token
    from tunicorn.router_link import RouterLink


class QueuePlace(NamedTuple):
    """Where the shared queue of a generation is."""

    #: One for each router.
    ring_paths: tuple[str, ...]
    tokens_path: str

    @classmethod
    def make(cls, directory: str, routers: int, tokens_path: str, identity: Identity) -> QueuePlace:
        """Makes the FIFO of a generation, for workers of this identity."""
        os.mkfifo(tokens_path, 0o600)
        identity.give(tokens_path)
        rings = (os.path.join(directory, f"ring-{number}") for number in range(routers))
        return cls(tuple(_lasting_name(path) for path in rings), _lasting_name(tokens_path))


def _lasting_name(path: str) -> str:
    """A name by which later workers find the file even if somebody has cleaned the folder up."""
    with suppress(FileNotFoundError):
        name = f"/proc/self/fd/{os.open(path, os.O_PATH | os.O_CLOEXEC)}"
        if os.path.exists(name):
            return name
    return path


class Puller:
    """One that waits for requests: a worker, or one of its threads."""

    def __init__(
        self,
        tokens_path: str,
        links: dict[int, RouterLink],
        redial: Callable[[int], RouterLink | None],
        handle: Callable[[RouterLink, Pulled], object],
    ) -> None:
        self._links = links
        self._redial = redial
        self._handle = handle
        self._tokens = Tokens(tokens_path)
        #: It waits for a token. Nothing is half sent meanwhile, so a signal handler may send.
        self.is_waiting = False

    @property
    def is_ended(self) -> bool:
        """No router has the queue open any more, and no token is left."""
        return self._tokens.is_ended

    def pull(self, is_leaving: Callable[[], bool]) -> None:
        """Handles requests until the queue ends, a router says to leave, or one is gone.

        A worker that is leaving also listens to its channels meanwhile.
        """
        links = self._links
        while True:
            token = self._wait(is_leaving)
            if token is None:
                if self.is_ended or not self._hear():
                    return
                continue
            stream, router, epoch = token
            link = links.get(router)
            if link is None or epoch != link.epoch:
                link = self._follow(token, link)
                if link is None:
                    return
            # Else it is of a router that is long dead.
            if epoch == link.epoch:
                self._handle_token(link, stream)
            if link.channel.is_drained or link.channel.is_lost:
                return

    def wake(self) -> None:
        """From a signal handler: the wait ends."""
        self._tokens.wake()

    def close(self) -> None:
        """Closes the queue, not the channels."""
        self._tokens.close()

    def _wait(self, is_leaving: Callable[[], bool]) -> Token | None:
        """The next token; None when there is something else to see to."""
        self.is_waiting = True
        try:
            if not is_leaving():
                return self._tokens.take()
        finally:
            self.is_waiting = False
        # There may always be a further token: what the routers say comes first.
        if not self._hear():
            return None
        self.is_waiting = True
        token = self._tokens.take_or_hear([link.channel for link in self._links.values()])
        self.is_waiting = False
        return token

    def _follow(self, token: Token, link: RouterLink | None) -> RouterLink | None:
        """The router that has given a token, if we know another; None when it cannot be reached."""
        while link is None or link.ring is None or link.is_outdated:
            if link is None or link.is_outdated:
                link = self._redial(token[1])
            if link is None:
                # Another may reach it.
                self._tokens.give_back(token)
                return None
            link.await_admission()
            if link.channel.is_drained:
                break
        return link

    def _handle_token(self, link: RouterLink, stream: int) -> None:
        """Claims a request and handles it; a stale token is nothing."""
        ring = link.ring
        pulled = None if ring is None else ring.claim(stream)
        if ring is None or pulled is None:
            return
        if pulled.flags & BY_CHANNEL:
            pulled = self._fetch(link, ring, stream)
        if pulled is not None:
            self._handle(link, pulled)
        # Without a channel the answer did not arrive: the claim tells the router that it was begun.
        if not link.channel.is_lost:
            ring.finish()

    def _fetch(self, link: RouterLink, ring: Ring, stream: int) -> Pulled | None:
        pulled = link.fetch(stream)
        if pulled is None or not pulled.flags & frame.PLACED_BODY:
            return pulled
        body = ring.read_body(stream, pulled.body or b"")
        return None if body is None else pulled._replace(body=body)

    def _hear(self) -> bool:
        """Takes the frames that have come. False when one says to leave, or a router is gone."""
        for link in self._links.values():
            try:
                received = link.channel.poll()
                while received is not None:
                    link.note(received)
                    received = link.channel.poll()
            except ConnectionError:
                return False
            if link.channel.is_drained:
                return False
        return True
