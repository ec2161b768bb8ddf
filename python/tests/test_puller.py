"""Pulling from the shared queue, with the routers' ends of queue and channels in the hands of the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from tunicorn import frame
from tunicorn.channel import Channel
from tunicorn.puller import Puller
from tunicorn.queue import Pulled
from tunicorn.router_link import RouterLink
from tunicorn.wsgi import WsgiGateway

from tests.helpers.deadlines import deadline
from tests.helpers.queue import PLACED, QueueEnd, pull
from tests.helpers.router import CANCEL, FETCH, REQUEST, RouterEnd, encode, request_payload


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """A puller that does not return would wait for ever."""
    with deadline():
        yield


class Router:
    """One router: its end of the queue, its end of the channel, and what the worker has of it."""

    def __init__(self, folder: Path, number: int) -> None:
        self.queue = QueueEnd(folder, router=number)
        self.claim = 10 + number
        self.end: RouterEnd | None = None
        self.link: RouterLink
        self.dial()

    def dial(self, *, is_admitted: bool = True) -> RouterLink:
        """A new channel of the worker, in the place of the one before."""
        if self.end is not None:
            self.close_channel()
        router, worker = socket.socketpair()
        self.end = RouterEnd(router)
        # The gateway is for who handles requests.
        self.link = RouterLink(Channel(worker), cast(WsgiGateway, None), str(self.queue.ring_path))
        if is_admitted:
            self.end.send(self.pull_frame)
            self.link.await_admission()
        return self.link

    @property
    def channel(self) -> RouterEnd:
        """The router's end."""
        assert self.end is not None
        return self.end

    def close_channel(self) -> None:
        self.link.close()
        self.channel.close()

    @property
    def pull_frame(self) -> bytes:
        return pull(self.queue.epoch, self.claim)

    def close(self) -> None:
        self.close_channel()
        self.queue.close()


class Pulling:
    """A puller, and what it has done."""

    def __init__(self, folder: Path, count: int = 1) -> None:
        self.routers = [Router(folder, number) for number in range(count)]
        self.routers[0].queue.make_fifo()
        for router in self.routers:
            router.queue.open()
        self.links = {number: router.link for number, router in enumerate(self.routers)}
        self.handled: list[tuple[int, Pulled]] = []
        self.redialled: list[int] = []
        #: Called with each request.
        self.on_request: Callable[[RouterLink, Pulled], object] = lambda _link, _pulled: None
        #: What redialling gives.
        self.redial: Callable[[int], RouterLink | None] = lambda _number: None
        self.puller = Puller(str(self.queue.tokens_path), self.links, self._redial, self._handle)

    @property
    def router(self) -> Router:
        return self.routers[0]

    @property
    def queue(self) -> QueueEnd:
        return self.routers[0].queue

    @property
    def streams(self) -> list[int]:
        """Of the requests that were handled."""
        return [pulled.stream for _, pulled in self.handled]

    def run(self, *, is_leaving: bool = False) -> None:
        """Pulls until there is nothing more to take, which is the end of the queue."""
        self.puller.pull(lambda: is_leaving)

    def run_to_the_end(self, *, is_leaving: bool = False) -> None:
        for router in self.routers:
            router.queue.close_tokens()
        self.run(is_leaving=is_leaving)
        assert self.puller.is_ended

    def _redial(self, number: int) -> RouterLink | None:
        self.redialled.append(number)
        self.links.pop(number, None)
        link = self.redial(number)
        if link is not None:
            self.links[number] = link
        return link

    def _handle(self, link: RouterLink, pulled: Pulled) -> None:
        number = next(number for number, other in self.links.items() if other is link)
        self.handled.append((number, pulled))
        self.on_request(link, pulled)

    def close(self) -> None:
        self.puller.close()
        for router in self.routers:
            router.close()


StartPulling = Callable[..., Pulling]


@pytest.fixture
def start_pulling(tmp_path: Path) -> Iterator[StartPulling]:
    started: list[Pulling] = []

    def start(count: int = 1) -> Pulling:
        started.append(Pulling(tmp_path, count))
        return started[-1]

    yield start
    for pulling in started:
        pulling.close()


@pytest.fixture
def pulling(start_pulling: StartPulling) -> Pulling:
    """A worker of one router."""
    return start_pulling()


class TestRequests:
    def test_they_are_handled_in_the_order_of_their_tokens(self, pulling: Pulling) -> None:
        streams = [pulling.queue.issue(body=str(number).encode()) for number in range(3)]
        pulling.run_to_the_end()
        assert pulling.streams == streams
        assert [pulled.payload[-1:] for _, pulled in pulling.handled] == [b"0", b"1", b"2"]

    def test_the_claim_names_a_request_until_it_is_handled(self, pulling: Pulling) -> None:
        claimed: list[int] = []
        pulling.on_request = lambda _link, _pulled: claimed.append(pulling.queue.claimed(10))
        stream = pulling.queue.issue()
        pulling.run_to_the_end()
        assert claimed == [stream]
        assert pulling.queue.claimed(10) == 0

    def test_stale_tokens_are_nothing(self, pulling: Pulling) -> None:
        withdrawn = pulling.queue.issue()
        pulling.queue.withdraw(withdrawn)
        pulling.queue.give(withdrawn + 512)
        pulling.queue.give(pulling.queue.put(), epoch=pulling.queue.epoch - 1)
        stream = pulling.queue.issue()
        pulling.run_to_the_end()
        assert pulling.streams == [stream]
        assert pulling.redialled == []

    def test_a_request_that_ends_the_worker_keeps_its_claim(self, pulling: Pulling) -> None:
        # The router must not take it for one that nobody has begun.
        def fail(_link: RouterLink, _pulled: Pulled) -> None:
            raise SystemExit(3)

        pulling.on_request = fail
        stream = pulling.queue.issue()
        with pytest.raises(SystemExit):
            pulling.run()
        assert pulling.queue.claimed(10) == stream

    def test_it_waits_only_while_it_waits_for_a_token(self, pulling: Pulling) -> None:
        waiting: list[bool] = []
        pulling.on_request = lambda _link, _pulled: waiting.append(pulling.puller.is_waiting)
        pulling.queue.issue()
        asked: list[bool] = []

        def is_leaving() -> bool:
            asked.append(pulling.puller.is_waiting)
            return False

        pulling.queue.close_tokens()
        pulling.puller.pull(is_leaving)
        # Before the question: a signal between the two would find nobody to wake.
        assert (waiting, asked) == ([False], [True, True])
        assert pulling.puller.is_waiting is False


class TestFetching:
    def test_a_request_that_is_not_in_the_ring_is_asked_for(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        head, body = request_payload({"PATH_INFO": "/large"}), b"x" * 100_000
        # A frame about an earlier stream, and PULL once more, mean nothing here.
        pulling.router.channel.send(
            encode(CANCEL, stream - 1) + encode(REQUEST, stream, head + body, frame.FILE_BODY)
        )
        pulling.run_to_the_end()
        assert pulling.handled == [(0, Pulled(stream, frame.FILE_BODY, head, body))]
        assert pulling.router.channel.expect(FETCH).stream == stream
        assert pulling.queue.claimed(10) == 0

    def test_the_body_of_one_may_lie_in_a_place(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        pulling.queue.fill_place(1, b"in the place")
        head, place = request_payload({"PATH_INFO": "/large"}), PLACED.pack(1, 12)
        pulling.router.channel.send(encode(REQUEST, stream, head + place, frame.PLACED_BODY))
        pulling.run_to_the_end()
        assert pulling.handled == [(0, Pulled(stream, frame.PLACED_BODY, head, b"in the place"))]

    def test_one_that_is_shorter_than_its_head_breaks_the_protocol(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        pulling.router.channel.send(encode(REQUEST, stream, b"\x05\0\0\0head"))
        with pytest.raises(frame.ProtocolError, match="shorter than its head"):
            pulling.run()

    def test_one_whose_client_has_left_is_done_with(self, pulling: Pulling) -> None:
        pulling.router.channel.cancel(pulling.queue.issue_by_channel())
        stream = pulling.queue.issue()
        pulling.run_to_the_end()
        assert pulling.streams == [stream]
        assert pulling.queue.claimed(10) == 0

    def test_a_drain_that_comes_meanwhile_is_not_lost(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        later = pulling.queue.issue()
        pulling.router.channel.drain()
        pulling.router.channel.send(encode(REQUEST, stream, request_payload({})))
        pulling.run()
        assert pulling.streams == [stream]
        assert pulling.queue.tokens_left() == [later]

    def test_a_router_that_goes_meanwhile_ends_it_and_the_claim_stays(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        pulling.router.channel.connection.shutdown(socket.SHUT_WR)
        pulling.run()
        assert pulling.handled == []
        assert pulling.queue.claimed(10) == stream

    def test_a_router_that_has_gone_before_ends_it_and_the_claim_stays(self, pulling: Pulling) -> None:
        stream = pulling.queue.issue_by_channel()
        pulling.router.channel.close()
        with pytest.raises(ConnectionError):
            pulling.run()
        assert pulling.queue.claimed(10) == stream


class TestTheEnd:
    def test_what_is_left_in_the_queue_is_taken_before_its_end(self, pulling: Pulling) -> None:
        streams = [pulling.queue.issue(), pulling.queue.issue()]
        pulling.run_to_the_end(is_leaving=True)
        assert pulling.streams == streams

    def test_a_request_during_which_the_router_says_to_leave_is_the_last(self, pulling: Pulling) -> None:
        def note_drain(link: RouterLink, _pulled: Pulled) -> None:
            link.channel.is_drained = True

        pulling.on_request = note_drain
        streams = [pulling.queue.issue(), pulling.queue.issue()]
        pulling.run()
        assert pulling.streams == streams[:1]
        assert pulling.queue.tokens_left() == streams[1:]
        assert pulling.queue.claimed(10) == 0

    def test_nothing_is_taken_after_an_answer_that_did_not_arrive(self, pulling: Pulling) -> None:
        # The router has closed this channel and goes on: each further request would be lost.
        def answer(link: RouterLink, _pulled: Pulled) -> None:
            pulling.router.channel.close()
            with pytest.raises(ConnectionError):
                while True:
                    link.channel.send(encode(frame.BODY))

        pulling.on_request = answer
        streams = [pulling.queue.issue(), pulling.queue.issue()]
        pulling.run()
        assert pulling.streams == streams[:1]
        assert pulling.queue.claimed(10) == streams[0], "the router can tell that it was begun"
        assert pulling.queue.tokens_left() == streams[1:]

    def test_a_worker_that_is_woken_looks_after_its_routers(self, pulling: Pulling) -> None:
        pulling.puller.wake()
        pulling.router.channel.close()
        pulling.run()
        assert pulling.router.link.channel.is_lost
        assert pulling.puller.is_ended is False

    def test_closing_what_is_closed_does_nothing(self, pulling: Pulling) -> None:
        pulling.puller.close()
        pulling.puller.close()
        pulling.puller.wake()


class TestLeaving:
    def test_drain_is_heard_while_there_are_always_tokens(self, pulling: Pulling) -> None:
        streams = [pulling.queue.issue() for _ in range(5)]
        pulling.on_request = lambda _link, _pulled: pulling.router.channel.drain()
        pulling.run(is_leaving=True)
        assert pulling.streams == streams[:1]
        assert pulling.queue.tokens_left() == streams[1:]

    def test_a_drain_that_came_together_with_another_frame_is_heard(self, pulling: Pulling) -> None:
        channel = pulling.router.link.channel
        pulling.router.channel.send(encode(CANCEL, 4) + encode(frame.DRAIN))
        received = channel.receive()
        assert received is not None
        assert received.kind == CANCEL
        pulling.run(is_leaving=True)
        assert channel.is_drained

    def test_a_drain_ends_the_wait_for_a_token(self, pulling: Pulling) -> None:
        pulling.router.channel.drain()
        pulling.run(is_leaving=True)
        assert pulling.router.link.channel.is_drained

    def test_a_router_that_goes_ends_the_wait_for_a_token(self, pulling: Pulling) -> None:
        pulling.router.channel.close()
        pulling.run(is_leaving=True)
        assert pulling.router.link.channel.is_lost


class TestRouters:
    def test_each_request_is_handled_for_the_router_that_its_token_names(
        self, start_pulling: StartPulling
    ) -> None:
        pulling = start_pulling(3)
        issued = [(number, pulling.routers[number].queue.issue()) for number in (2, 0, 1, 0)]
        pulling.run_to_the_end()
        assert [(number, pulled.stream) for number, pulled in pulling.handled] == issued

    def test_a_drain_of_any_router_is_heard(self, start_pulling: StartPulling) -> None:
        pulling = start_pulling(2)
        pulling.routers[1].channel.drain()
        pulling.run(is_leaving=True)
        assert pulling.routers[1].link.channel.is_drained

    def test_the_token_of_a_router_that_has_not_let_us_pull_yet_waits_for_its_word(
        self, start_pulling: StartPulling
    ) -> None:
        pulling = start_pulling(2)
        late = pulling.routers[1]
        pulling.links[1] = late.dial(is_admitted=False)
        late.channel.send(late.pull_frame)
        stream = late.queue.issue()
        pulling.run_to_the_end()
        assert pulling.handled[0][0] == 1
        assert pulling.streams == [stream]
        assert pulling.redialled == []

    def test_the_token_of_a_router_that_took_another_s_place_is_handled_when_it_is_dialled(
        self, pulling: Pulling
    ) -> None:
        pulling.queue.replace()
        stream = pulling.queue.issue()
        pulling.redial = lambda _number: pulling.router.dial()
        pulling.run_to_the_end()
        assert (pulling.redialled, pulling.streams) == ([0], [stream])

    def test_so_is_that_of_one_whose_forerunner_went_before_it_let_us_pull(self, pulling: Pulling) -> None:
        pulling.links[0] = pulling.router.dial(is_admitted=False)
        pulling.router.channel.close()
        pulling.queue.replace()
        stream = pulling.queue.issue()
        pulling.redial = lambda _number: pulling.router.dial()
        pulling.run_to_the_end()
        assert (pulling.redialled, pulling.streams) == ([0], [stream])

    def test_a_token_whose_router_was_replaced_once_more_is_nothing(self, pulling: Pulling) -> None:
        pulling.queue.replace()
        pulling.queue.issue()
        pulling.queue.replace()
        stream = pulling.queue.issue()
        pulling.redial = lambda _number: pulling.router.dial()
        pulling.run_to_the_end()
        assert (pulling.redialled, pulling.streams) == ([0], [stream])

    def test_a_token_of_a_dead_router_begins_no_request_of_another_that_has_its_number(
        self, pulling: Pulling
    ) -> None:
        stream = pulling.queue.put()
        pulling.queue.give(stream, epoch=pulling.queue.epoch - 1)
        pulling.queue.replace()
        stream = pulling.queue.put()
        pulling.queue.give(stream, epoch=pulling.queue.epoch - 2)
        pulling.redial = lambda _number: pulling.router.dial()
        pulling.run_to_the_end()
        assert (pulling.redialled, pulling.streams) == ([0], [])
        assert pulling.queue.claimed(10) == 0

    def test_a_token_whose_router_cannot_be_reached_is_given_back(self, pulling: Pulling) -> None:
        pulling.queue.replace()
        stream = pulling.queue.issue()
        pulling.run()
        assert (pulling.redialled, pulling.handled) == ([0], [])
        assert pulling.queue.tokens_left() == [stream]

    def test_a_router_that_says_to_leave_instead_of_to_pull_is_obeyed(self, pulling: Pulling) -> None:
        pulling.queue.replace()
        pulling.queue.issue()

        def redial(_number: int) -> RouterLink:
            link = pulling.router.dial(is_admitted=False)
            pulling.router.channel.drain()
            return link

        pulling.redial = redial
        pulling.run()
        assert pulling.handled == []
        assert pulling.links[0].channel.is_drained
