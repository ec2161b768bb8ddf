"""The WSGI gateway: a request frame becomes a call of the application, its answer frames (PEP 3333)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from tunicorn import frame
from tunicorn.access_environ import EnvironWatch, watched_entries
from tunicorn.environ import make_template, open_body
from tunicorn.file_wrapper import FileWrapper
from tunicorn.wsgi_response import ClientDisconnectedError, ReportingResponse, Response

if TYPE_CHECKING:
    from tunicorn.application import Application
    from tunicorn.config import Config
    from tunicorn.log import Logger
    from tunicorn.response_channel import ResponseChannel

#: Calls the application, and sends what it answers.
Respond = Callable[[dict[str, Any], Response], None]

#: The entry by which the router says which tunnel a request may become.
TUNNEL_ENTRY: Final = "tunicorn.tunnel"


class WsgiGateway:
    """Calls one application for the requests of one channel."""

    def __init__(
        self,
        application: Application,
        cfg: Config,
        log: Logger,
        channel: ResponseChannel,
        *,
        limits_tunnels: bool = False,
    ) -> None:
        self._application = application
        self._template = make_template(cfg)
        self._log = log
        self._channel = channel
        #: The time of a request counts also while its application has taken the connection over.
        self._limits_tunnels = limits_tunnels
        #: Entries of which the access log shows what the application made of them; mostly there is none.
        self._watched = watched_entries(cfg)
        self._is_debugging = logging.getLogger("gunicorn.error").isEnabledFor(logging.DEBUG)

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
        """Answers one request.

        A large body may come beside the rest of the payload. The flags in `after` are what holds when the
        worker has nothing left to do for it. True when they were sent with the last frame; else the caller
        has to say that the worker is free.
        """
        environ = self._template.copy()
        body = frame.fill_environ(environ, payload)
        if large_body is not None:
            body = large_body
        if self._is_debugging:
            # As it was sent: a line end that %0a stands for would begin a line of the client's own.
            self._log.debug("%s %s", environ["REQUEST_METHOD"], environ["RAW_URI"].partition("?")[0])
        response, respond = self._make_response(environ, channel or self._channel, stream, after)
        try:
            body_input = open_body(body, bool(flags & frame.FILE_BODY))
        except OSError as error:
            # The client has left, and the router gave up the file of its body.
            self._report(payload, error)
            response.fail(after)
            return response.is_after_sent
        environ["wsgi.input"] = body_input
        environ["wsgi.early_hints"] = response.send_early_hints
        try:
            respond(environ, response)
        except ClientDisconnectedError:
            self._log.debug("The client left during %s %s", *_request_of(payload))
        except ConnectionError as error:
            if response.is_channel_broken:
                raise
            self._report(payload, error)
        except SystemExit:
            # It ends the worker; its client is told first.
            response.fail(frame.LAST)
            raise
        except BaseException as error:
            # KeyboardInterrupt and CancelledError too: what the application raises is its own failure.
            self._report(payload, error)
        finally:
            body_input.close()
        if not response.is_ended:
            response.fail(after)
        return response.is_after_sent

    def _make_response(
        self, environ: dict[str, Any], channel: ResponseChannel, stream: int, after: int
    ) -> tuple[Response, Respond]:
        """The response of a request, and who calls the application for it."""
        if TUNNEL_ENTRY in environ:
            from tunicorn.tunnelled_response import TunnelledResponse  # noqa: PLC0415 -- sockets are patched by now

            number = int(environ.pop(TUNNEL_ENTRY))
            report = EnvironWatch(self._watched, environ).changes
            tunnelled = TunnelledResponse(
                channel, stream, after, report, number, is_timed=self._limits_tunnels
            )
            return tunnelled, tunnelled.with_socket(self._respond)
        if not self._watched:
            return Response(channel, stream, after), self._respond
        report = EnvironWatch(self._watched, environ).changes
        return ReportingResponse(channel, stream, after, report), self._respond

    def _respond(self, environ: dict[str, Any], response: Response) -> None:
        result = self._application(environ, response.start)
        try:
            if type(result) is list or type(result) is tuple:
                response.send_whole(b"".join(result))
            elif not (type(result) is FileWrapper and response.send_file(result.filelike)):
                self._send_pieces(result, response)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _send_pieces(self, result: Iterable[bytes], response: Response) -> None:
        """Sends each piece before the next is asked for, as PEP 3333 wants."""
        for piece in result:
            if piece:
                if response.is_ended:
                    break
                response.send(piece)
        response.end()

    def _report(self, payload: bytes, error: BaseException) -> None:
        """Logs what the application raised, by the request as it came: the environ may have been changed."""
        self._log.error("Error handling request %s %s", *_request_of(payload), exc_info=error)


def _request_of(payload: bytes) -> tuple[str, str]:
    """Method and target, for the log."""
    fields, _ = frame.decode_request(payload)
    return fields["REQUEST_METHOD"], fields["RAW_URI"]
