"""The response of a request that asks for an upgrade: none, if the application takes the connection over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tunicorn import frame
from tunicorn.tunnel import TunnelSocket
from tunicorn.wsgi_response import ReportingResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.response import Headers
    from tunicorn.response_channel import ResponseChannel
    from tunicorn.wsgi import Respond
    from tunicorn.wsgi_response import Response

#: In a TUNNEL frame: the time of the request is limited.
TIMED: Final = 1


class TunnelledResponse(ReportingResponse):
    """Dropped once the application has used the socket: it would come amid what is written there."""

    __slots__ = ("_is_timed", "_number", "is_taken_over")

    def __init__(
        self,
        channel: ResponseChannel,
        stream: int,
        after: int,
        report: Callable[[], bytes],
        number: int,
        *,
        is_timed: bool,
    ) -> None:
        super().__init__(channel, stream, after, report)
        self._number = number
        self._is_timed = is_timed
        #: The application has used the socket.
        self.is_taken_over = False

    def with_socket(self, respond: Respond) -> Respond:
        """Has the application called with the socket in its environ, which ends when it returns."""

        def respond_with_socket(environ: dict[str, Any], response: Response) -> None:
            socket = environ["gunicorn.socket"] = self._make_socket(environ)
            try:
                respond(environ, response)
            except BaseException as raised:
                # So applications end that have said all over the socket, or whose client has left.
                is_usual = isinstance(raised, StopIteration | ConnectionError) and self.is_taken_over
                if not is_usual or self.is_channel_broken:
                    socket.end()
                    raise
                self.end()
            socket.release()

        return respond_with_socket

    def send_whole(self, body: bytes) -> None:
        if self.is_taken_over:
            self.end()
        else:
            super().send_whole(body)

    def send(self, data: bytes) -> None:
        if not self.is_taken_over:
            super().send(data)

    def send_early_hints(self, headers: Headers) -> None:
        if not self.is_taken_over:
            super().send_early_hints(headers)

    def send_file(self, filelike: Any) -> bool:
        if not self.is_taken_over:
            return super().send_file(filelike)
        self.end()
        return True

    def end(self) -> None:
        if not self.is_taken_over:
            super().end()
        elif not self.is_ended:
            self.is_ended = True
            self._transmit(frame.encode(frame.BODY, self._stream, flags=frame.END))

    def _make_socket(self, environ: dict[str, Any]) -> TunnelSocket:
        client = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))
        server = (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0))
        return TunnelSocket(self._channel.path, self._number, self._take_over, (client, server))

    def _take_over(self) -> None:
        """The socket is used: from here on the connection is not HTTP's."""
        if self.is_head_sent:
            raise OSError("the response has begun, and so the connection cannot be taken over")
        self._transmit(frame.encode(frame.TUNNEL, self._stream, aux=TIMED if self._is_timed else 0))
        self.is_taken_over = True
