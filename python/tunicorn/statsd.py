"""Metrics for a statsd server: gunicorn.instrument.statsd.Statsd by another name."""

from __future__ import annotations

import logging
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tunicorn.log import Logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from tunicorn.config import Config

DEFAULT_PORT: Final = 8125

#: The path of a unix socket, or host and port.
StatsdAddress = str | tuple[str, int]


def parse_statsd_address(written: str) -> StatsdAddress:
    """unix://PATH, HOST or HOST:PORT, which the arbiter has checked."""
    if written.startswith("unix:"):
        return written.removeprefix("unix:").removeprefix("//")
    match = re.fullmatch(r"(?:udp://)?(?:\[([^]]*)\]|([^:]*))(?::([0-9]+))?", written)
    assert match is not None
    return match[1] or match[2] or "127.0.0.1", int(match[3] or DEFAULT_PORT)


class StatsdSocket:
    """Sends datagrams to a statsd server. What it does not take is lost; nobody waits for it."""

    def __init__(self, address: StatsdAddress) -> None:
        self._targets: list[tuple[int, Any]] = []
        if isinstance(address, str):
            self._targets = [(socket.AF_UNIX, address)]
        else:
            with suppress(OSError):
                found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)
                self._targets = [(family, target) for family, _, _, _, target in found]
        self._socket: socket.socket | None = None

    def send(self, datagram: bytes) -> None:
        """Sends a datagram, or gives it up."""
        for family, target in self._targets[:1]:
            if self._socket is None:
                self._socket = socket.socket(family, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            # Not connected: a server that starts anew is found by its address.
            with suppress(OSError):
                self._socket.sendto(datagram, target)

    def close(self) -> None:
        """Lets the socket go."""
        if self._socket is not None:
            self._socket.close()


class StatsdLogger(Logger):
    """A logger that counts what it logs, and sends what records carry as metric, value and mtype."""

    def __init__(self, cfg: Config) -> None:
        prefix = str(cfg.statsd_prefix).rstrip(".")
        self.prefix = f"{prefix}." if prefix else ""
        self.dogstatsd_tags = str(cfg.dogstatsd_tags)
        host = cfg.statsd_host
        self.sock = StatsdSocket(host) if host else None
        super().__init__(cfg)

    def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
        super().critical(msg, *args, **kwargs)
        self.increment("gunicorn.log.critical", 1)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        super().error(msg, *args, **kwargs)
        self.increment("gunicorn.log.error", 1)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        super().warning(msg, *args, **kwargs)
        self.increment("gunicorn.log.warning", 1)

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        super().exception(msg, *args, **kwargs)
        self.increment("gunicorn.log.exception", 1)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.log(logging.INFO, msg, *args, **kwargs)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: object, *args: object, **kwargs: Any) -> None:
        """A record with extra metric, value and mtype is a metric too; without a message it is that alone."""
        self._send_metric_of(kwargs.get("extra") or {})
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> None:
        """Makes the access record of a request, and counts it."""
        super().access(resp, req, environ, request_time)
        status = int(resp.status.split(None, 1)[0]) if isinstance(resp.status, str) else resp.status
        self.timer("gunicorn.request.duration", request_time.total_seconds() * 1000)
        self.increment("gunicorn.requests", 1)
        self.increment(f"gunicorn.request.status.{status}", 1)

    def gauge(self, name: str, value: float) -> None:
        """Sends the present value of something."""
        self._sock_send(f"{self.prefix}{name}:{value}|g")

    def increment(self, name: str, value: float, sampling_rate: float = 1.0) -> None:
        """Adds to a counter."""
        self._sock_send(f"{self.prefix}{name}:{value}|c|@{sampling_rate}")

    def decrement(self, name: str, value: float, sampling_rate: float = 1.0) -> None:
        """Takes from a counter."""
        self._sock_send(f"{self.prefix}{name}:-{value}|c|@{sampling_rate}")

    def timer(self, name: str, value: float) -> None:
        """Sends a time in milliseconds."""
        self._sock_send(f"{self.prefix}{name}:{value}|ms")

    def histogram(self, name: str, value: float) -> None:
        """Sends one of many values."""
        self._sock_send(f"{self.prefix}{name}:{value}|h")

    def _send_metric_of(self, extra: Mapping[str, Any]) -> None:
        senders = {
            "gauge": self.gauge,
            "counter": self.increment,
            "histogram": self.histogram,
            "timer": self.timer,
        }
        metric, value = extra.get("metric"), extra.get("value")
        send = senders.get(str(extra.get("mtype")))
        if metric and value is not None and send is not None:
            send(str(metric), value)

    def _sock_send(self, msg: str | bytes) -> None:
        text = msg if isinstance(msg, bytes) else msg.encode(errors="replace")
        if self.dogstatsd_tags:
            text += b"|#" + self.dogstatsd_tags.encode(errors="replace")
        if self.sock is not None:
            self.sock.send(text)
