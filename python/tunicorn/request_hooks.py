"""The hooks pre_request and post_request of WSGI. Nothing here runs unless there is one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tunicorn.file_wrapper import file_part
from tunicorn.hook_objects import HookRequest, HookResponse
from tunicorn.hooks import call_post_request, call_pre_request
from tunicorn.response import to_list
from tunicorn.wsgi import WsgiGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.channel import Channel
    from tunicorn.response import Headers
    from tunicorn.response_channel import ResponseChannel
    from tunicorn.workers.base import Worker
    from tunicorn.wsgi_response import ExceptionInfo, Response


def make_gateway(worker: Worker, channel: Channel) -> WsgiGateway:
    """The gateway between a worker's channel and its application."""
    hooks = [worker.cfg.hook(name) for name in ("pre_request", "post_request")]
    if hooks != [None, None]:
        return HookedGateway(worker, channel)
    return WsgiGateway(worker.entry(), worker.cfg, worker.log, channel, limits_tunnels=worker.limits_tunnels)


class HookedGateway(WsgiGateway):
    """Calls the two hooks around the application."""

    def __init__(self, worker: Worker, channel: Channel) -> None:
        super().__init__(
            worker.entry(), worker.cfg, worker.log, channel, limits_tunnels=worker.limits_tunnels
        )
        self._worker = worker
        self._pre_request = worker.cfg.hook("pre_request")
        self._post_request = worker.cfg.hook("post_request")

    def handle(
        self,
        stream: int,
        flags: int,
        payload: bytes,
        after: int,
        channel: ResponseChannel | None = None,
        *,
        large_body: bytes | None = None,
    ) -> bool:
        # The worker is free when post_request is through, not with the last frame of the response.
        super().handle(stream, flags, payload, 0, channel, large_body=large_body)
        return False

    def _respond(self, environ: dict[str, Any], response: Response) -> None:
        request = HookRequest(environ)
        facts: HookResponse | None = None
        try:
            if self._pre_request is not None:
                call_pre_request(self._pre_request, self._worker, request)
                request.change(environ)
            recorded = RecordedResponse(response)
            facts = recorded.facts
            # It has all that the gateway uses of a response.
            super()._respond(environ, cast("Response", recorded))
        finally:
            if self._post_request is not None:
                call_post_request(self._post_request, self._worker, request, environ, facts)


class RecordedResponse:
    """Passes on what the gateway does with a response, and takes note of it for the hook."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.facts = HookResponse()

    @property
    def is_ended(self) -> bool:
        return self._response.is_ended

    def start(self, status: str, headers: Headers, exc_info: ExceptionInfo = None) -> Callable[[bytes], None]:
        listed = list(to_list(headers))
        self._response.start(status, listed, exc_info)
        self.facts.status, self.facts.headers = status, listed
        return self.write

    def write(self, data: bytes) -> None:
        self._response.write(data)
        self._note(len(data))

    def send_whole(self, body: bytes) -> None:
        self._response.send_whole(body)
        self._note(len(body))

    def send(self, data: bytes) -> None:
        self._response.send(data)
        self._note(len(data))

    def send_file(self, filelike: Any) -> bool:
        part = file_part(filelike)
        is_sent = self._response.send_file(filelike)
        if is_sent and part is not None:
            length = self.facts.response_length
            self._note(part[2] if length is None else min(part[2], length))
        return is_sent

    def end(self) -> None:
        self._response.end()
        self._note(0)

    def _note(self, sent: int) -> None:
        self.facts.sent += sent
        self.facts.headers_sent = self._response.is_head_sent
