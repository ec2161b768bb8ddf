"""The worker of gevent-websocket: a gevent worker whose applications find a WebSocket in their environ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunicorn.workers.gevent import GeventWorker

if TYPE_CHECKING:
    from tunicorn.application import Application


class GeventWebSocketWorker(GeventWorker):
    """geventwebsocket.gunicorn.workers.GeventWebSocketWorker."""

    def entry(self) -> Application:
        from tunicorn.gevent_websocket import WebSocketEntry  # noqa: PLC0415 -- what it imports must be patched

        return WebSocketEntry(super().entry(), self.log)
