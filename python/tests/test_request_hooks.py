"""pre_request and post_request, around the application of a gateway."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tunicorn.channel import Channel
from tunicorn.config import Config
from tunicorn.hook_objects import HookRequest, HookResponse
from tunicorn.hooks import Hook
from tunicorn.log import Logger
from tunicorn.missing import MissingAttributeError
from tunicorn.request_hooks import HookedGateway, make_gateway
from tunicorn.server import Server
from tunicorn.workers.base import Worker
from tunicorn.wsgi import WsgiGateway

from tests.helpers.gateway import Body, Gateway, answering
from tests.helpers.router import END, ENVIRON, FAILED, RESPONSE, TAKES_MORE, kinds_of, request_payload
from tests.helpers.wsgi_types import Environ, StartResponse

SETTINGS = {"workers": 1, "threads": 1, "max_requests": 0, "max_requests_jitter": 0, "timeout": 30}


class Hooked:
    """A gateway with hooks."""

    def __init__(self, gateway: Gateway, logger: Logger) -> None:
        self.gateway = gateway
        self._logger = logger
        self.requests: list[HookRequest] = []
        self.responses: list[HookResponse | None] = []
        self.environs: list[Environ] = []

    def make(self, application: Callable[..., Any], hooks: Mapping[str, Hook]) -> WsgiGateway:
        server = Server(Config(SETTINGS, hooks), self._logger, 1)
        worker = Worker.make(server, 1, application)
        return make_gateway(worker, Channel(self.gateway.worker))

    def handle(
        self,
        application: Callable[..., Any],
        environ: Mapping[str, str] | None = None,
        body: bytes = b"",
        pre_request: Hook = lambda worker, req: None,
    ) -> list[Any]:
        """Has a request answered between a pre_request and a post_request that records; the frames."""
        hooks = {"pre_request": pre_request, "post_request": self._record}
        gateway = self.make(application, hooks)
        payload = request_payload({**ENVIRON, **(environ or {})}, body)
        assert gateway.handle(1, END, payload, TAKES_MORE) is False
        return self.gateway.router.received()

    def _record(self, _worker: Worker, req: HookRequest, environ: Environ, resp: HookResponse | None) -> None:
        self.requests.append(req)
        self.environs.append(environ)
        self.responses.append(resp)

    @property
    def response(self) -> HookResponse:
        response = self.responses[-1]
        assert response is not None
        return response


@pytest.fixture
def hooked(gateway: Gateway, logger: Logger) -> Hooked:
    return Hooked(gateway, logger)


def seen_environ(hooked: Hooked, pre_request: Hook, environ: Mapping[str, str]) -> Environ:
    """The environ that the application gets."""
    seen: Environ = {}

    def application(given: Environ, start_response: StartResponse) -> list[bytes]:
        seen.update(given)
        start_response("200 OK", [])
        return []

    hooked.handle(application, environ, pre_request=pre_request)
    return seen


class TestWithoutHooks:
    def test_the_gateway_is_the_plain_one(self, hooked: Hooked) -> None:
        assert type(hooked.make(answering([b""]), {"on_exit": print})) is WsgiGateway

    @pytest.mark.parametrize("name", ["pre_request", "post_request"])
    def test_one_hook_is_enough(self, hooked: Hooked, name: str) -> None:
        assert type(hooked.make(answering([b""]), {name: print})) is HookedGateway


class TestRequest:
    def test_it_says_what_was_requested(self, hooked: Hooked) -> None:
        target = "/a%20b/c?x=1&y=%2F"
        hooked.handle(
            answering([b""]),
            {
                "RAW_URI": target,
                "QUERY_STRING": "x=1&y=%2F",
                "PATH_INFO": "/a b/c",
                "SERVER_PROTOCOL": "HTTP/1.0",
                "REMOTE_ADDR": "192.0.2.7",
                "REMOTE_PORT": "4711",
                "HTTP_X_FORWARDED_FOR": "a, b",
                "CONTENT_TYPE": "text/plain",
                "wsgi.url_scheme": "https",
            },
            body=b"hello",
        )
        (request,) = hooked.requests
        assert request.method == ENVIRON["REQUEST_METHOD"]
        assert (request.uri, request.path, request.query) == (target, "/a%20b/c", "x=1&y=%2F")
        assert request.version == (1, 0)
        assert request.scheme == "https"
        assert request.remote_addr == ("192.0.2.7", 4711)
        assert ("X-FORWARDED-FOR", "a, b") in request.headers
        assert ("CONTENT-TYPE", "text/plain") in request.headers
        assert request.trailers == []

    @pytest.mark.parametrize(
        ("uri", "path"),
        [
            ("http://example.org/a?b", "/a"),
            ("http://example.org", "/"),
            ("//a//b?c?d", "//a//b"),
            ("/a://b", "/a://b"),
            ("*", "*"),
        ],
    )
    def test_its_path_is_that_of_the_target(self, hooked: Hooked, uri: str, path: str) -> None:
        hooked.handle(answering([b""]), {"RAW_URI": uri})
        assert hooked.requests[0].path == path

    def test_a_client_on_a_unix_socket_has_no_address(self, hooked: Hooked) -> None:
        hooked.handle(answering([b""]), {"REMOTE_ADDR": "", "REMOTE_PORT": ""})
        assert hooked.requests[0].remote_addr == ("", 0)

    def test_it_stays_what_it_was_when_the_application_changes_the_environ(self, hooked: Hooked) -> None:
        def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
            environ.update(PATH_INFO="/other", REQUEST_METHOD="PUT", HTTP_HOST="other")
            start_response("200 OK", [])
            return []

        hooked.handle(application, {"RAW_URI": "/mine", "HTTP_HOST": "mine"})
        (request,) = hooked.requests
        assert (request.path, request.method) == ("/mine", ENVIRON["REQUEST_METHOD"])
        assert dict(request.headers)["HOST"] == "mine"
        assert hooked.environs[0]["PATH_INFO"] == "/other"

    def test_what_it_does_not_have_is_named(self, hooked: Hooked) -> None:
        hooked.handle(answering([b""]))
        with pytest.raises(
            MissingAttributeError, match="'unreader': the router process holds the connection"
        ):
            _ = hooked.requests[0].unreader


class TestPreRequest:
    def test_headers_that_it_adds_are_in_the_environ(self, hooked: Hooked) -> None:
        def pre_request(_worker: Worker, req: HookRequest) -> None:
            req.headers.append(("X-REQUEST-ID", "7"))
            req.headers.append(("ACCEPT", "text/html"))

        environ = seen_environ(hooked, pre_request, {"HTTP_ACCEPT": "text/plain", "HTTP_X_OTHER": "o"})
        assert environ["HTTP_X_REQUEST_ID"] == "7"
        assert environ["HTTP_ACCEPT"] == "text/plain,text/html"
        assert environ["HTTP_X_OTHER"] == "o"

    def test_headers_that_it_takes_away_are_not(self, hooked: Hooked) -> None:
        def pre_request(_worker: Worker, req: HookRequest) -> None:
            req.headers = [(name, value) for name, value in req.headers if name != "X-SECRET"]

        environ = seen_environ(
            hooked, pre_request, {"HTTP_X_SECRET": "s", "HTTP_HOST": "h", "CONTENT_TYPE": "text/plain"}
        )
        assert "HTTP_X_SECRET" not in environ
        assert (environ["HTTP_HOST"], environ["CONTENT_TYPE"]) == ("h", "text/plain")

    def test_it_may_change_path_query_method_and_scheme(self, hooked: Hooked) -> None:
        def pre_request(_worker: Worker, req: HookRequest) -> None:
            req.path, req.query, req.method, req.scheme = "/app/new%20path", "q=1", "PUT", "https"

        environ = seen_environ(
            hooked,
            pre_request,
            {"RAW_URI": "/app/old", "PATH_INFO": "/old", "SCRIPT_NAME": "/app"},
        )
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/new path")
        assert (environ["QUERY_STRING"], environ["REQUEST_METHOD"]) == ("q=1", "PUT")
        assert environ["wsgi.url_scheme"] == "https"

    def test_when_it_raises_the_client_gets_500_and_the_application_is_not_called(
        self, hooked: Hooked, log_path: Path
    ) -> None:
        def pre_request(_worker: Worker, _req: HookRequest) -> None:
            raise RuntimeError("no vault")

        called: list[Environ] = []
        frames = hooked.handle(lambda environ, _start: called.append(environ), pre_request=pre_request)
        assert kinds_of(frames) == [FAILED]
        assert called == []
        assert hooked.responses == [None]
        log = log_path.read_text()
        assert "RuntimeError: no vault" in log
        assert "The hook pre_request raised" in log


class TestPostRequest:
    def test_it_sees_the_response(self, hooked: Hooked) -> None:
        headers = [("Content-Type", "text/plain"), ("Content-Length", "5")]
        frames = hooked.handle(answering([b"he", b"llo"], "201 Created", headers))
        assert kinds_of(frames) == [RESPONSE]
        response = hooked.response
        assert (response.status, response.status_code) == ("201 Created", 201)
        assert response.headers == headers
        assert (response.sent, response.response_length, response.headers_sent) == (5, 5, True)

    def test_it_sees_headers_that_could_be_read_only_once(self, hooked: Hooked) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", iter([("X", "v")]))
            return [b"pong"]

        hooked.handle(application)
        assert hooked.response.headers == [("X", "v")]

    def test_it_comes_when_the_iterable_is_closed_and_before_the_worker_is_free(self, hooked: Hooked) -> None:
        body = Body(b"a", b"b", b"c")
        frames = hooked.handle(answering(body))
        assert body.closed == 1
        assert hooked.response.sent == 3
        assert not any(received.flags & TAKES_MORE for received in frames)

    def test_a_file_that_the_router_does_not_take_counts_by_its_bytes(self, hooked: Hooked) -> None:
        def application(environ: Environ, start_response: StartResponse) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 1000))

        hooked.handle(application)
        assert hooked.response.sent == 1000

    def test_what_the_application_writes_counts(self, hooked: Hooked) -> None:
        def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
            write = start_response("200 OK", [])
            write(b"12345")
            return [b"678"]

        hooked.handle(application)
        assert hooked.response.sent == 8

    def test_an_application_that_raises_has_no_status(self, hooked: Hooked) -> None:
        def application(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
            raise RuntimeError("no vault")

        assert kinds_of(hooked.handle(application)) == [FAILED]
        assert (hooked.response.status, hooked.response.status_code) == (None, None)
        assert hooked.response.headers_sent is False

    def test_when_it_raises_that_is_logged_and_the_client_has_its_answer(
        self, hooked: Hooked, log_path: Path
    ) -> None:
        def post_request(_worker: Worker, _req: HookRequest, _environ: Environ, _resp: object) -> None:
            raise RuntimeError("no vault")

        gateway = hooked.make(answering([b"hi"]), {"post_request": post_request})
        gateway.handle(1, END, request_payload(ENVIRON, b""), TAKES_MORE)
        assert kinds_of(hooked.gateway.router.received()) == [RESPONSE]
        log = log_path.read_text()
        assert "[ERROR] The hook post_request raised\nTraceback" in log
        assert log.rstrip().endswith("RuntimeError: no vault")
