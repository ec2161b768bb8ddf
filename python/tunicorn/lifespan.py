"""The lifespan protocol of ASGI: the application is told when its worker starts and ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal

from tunicorn.asgi_types import AsgiApplication, Message, Scope

if TYPE_CHECKING:
    from tunicorn.log import Logger

SPEC_VERSION: Final = "2.0"

Mode = Literal["auto", "on", "off"]


class LifespanError(Exception):
    """The application did not start; the text is for the operator."""


class Lifespan:
    """One call of the application, which lives as long as its worker."""

    def __init__(self, application: AsgiApplication, log: Logger, mode: Mode) -> None:
        self._application = application
        self._log = log
        self._mode = mode
        #: What the application keeps for its requests, which get a copy of it.
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._is_startup_told = False
        #: It has said how its start went.
        self._is_answered = False
        #: What the application has said of a failed start or end; "" if it said nothing.
        self._failure: str | None = None
        #: What it has raised.
        self._error: BaseException | None = None

    async def startup(self) -> None:
        """Returns when the application has started. Raises LifespanError when it cannot."""
        if self._mode == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._started.wait()
        if self._failure is not None:
            raise LifespanError(f"The application's startup failed{_colon(self._failure)}") from self._error
        if self._error is not None and self._mode == "on":
            raise LifespanError("The application raised during its startup") from self._error
        if self._mode == "on" and not self._is_answered:
            raise LifespanError("The application returned without answering lifespan.startup")

    async def shutdown(self) -> None:
        """Returns when the application has ended. May be asked more than once."""
        task = self._task
        if task is None or task.done():
            return
        self._is_stopping.set()
        await asyncio.wait({task})

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "state": self.state,
        }
        try:
            await self._application(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._error = error
            self._on_raised(error)
        finally:
            self._started.set()
            self._stopped.set()

    def _on_raised(self, error: BaseException) -> None:
        if self._failure is not None:
            # It was told by the message; frameworks raise the reason once more.
            return
        if self._started.is_set():
            self._log.error("The application raised in its lifespan", exc_info=error)
        elif self._mode == "auto" and self._is_startup_told:
            self._log.warning(
                "The application raised during its startup, and serves nevertheless (asgi_lifespan is auto)",
                exc_info=error,
            )
        elif self._mode == "auto":
            self._log.info("ASGI 'lifespan' protocol appears unsupported.")

    async def _receive(self) -> Message:
        if not self._is_startup_told:
            self._is_startup_told = True
            return {"type": "lifespan.startup"}
        await self._is_stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        phase = "shutdown" if self._started.is_set() else "startup"
        if kind not in (f"lifespan.{phase}.complete", f"lifespan.{phase}.failed") or self._stopped.is_set():
            raise RuntimeError(f"Got invalid state transition on lifespan protocol: '{kind}' during {phase}.")
        if kind.endswith(".failed"):
            self._failure = str(message.get("message", ""))
        if phase == "startup":
            self._is_answered = True
            self._started.set()
            return
        self._stopped.set()
        if self._failure is not None:
            self._log.error("The application's shutdown failed%s", _colon(self._failure))


def _colon(message: str) -> str:
    return f": {message}" if message else ""
