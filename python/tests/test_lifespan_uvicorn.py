"""The lifespan goes as with uvicorn: each application runs under both, whose classes are compared."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, cast

import pytest
from tunicorn.asgi_types import AsgiApplication, Message, Receive, Scope, Send
from tunicorn.lifespan import Lifespan, LifespanError
from tunicorn.log import Logger
from uvicorn import Config
from uvicorn.lifespan.on import LifespanOn

Mode = Literal["auto", "on"]

STARTED: Final = {"type": "lifespan.startup.complete"}
NOT_STARTED: Final = {"type": "lifespan.startup.failed", "message": "no database"}
ENDED: Final = {"type": "lifespan.shutdown.complete"}
NOT_ENDED: Final = {"type": "lifespan.shutdown.failed", "message": "no goodbye"}
RECEIVE: Final = "receive"

#: What an application does: it receives, sends and raises.
PROGRAMS: Final[dict[str, list[Any]]] = {
    "proper": [RECEIVE, STARTED, RECEIVE, ENDED],
    "knows nothing": [KeyError("lifespan")],
    "returns at once": [],
    "returns when asked to start": [RECEIVE],
    "returns when started": [RECEIVE, STARTED],
    "returns when asked to end": [RECEIVE, STARTED, RECEIVE],
    "starts unasked": [STARTED, RECEIVE, RECEIVE, ENDED],
    "raises when asked to start": [RECEIVE, RuntimeError("no database")],
    "says that it cannot start": [RECEIVE, NOT_STARTED],
    "says and raises that it cannot start": [RECEIVE, NOT_STARTED, RuntimeError("no database")],
    "says without a word that it cannot start": [RECEIVE, {"type": "lifespan.startup.failed"}],
    "raises when started": [RECEIVE, STARTED, RuntimeError("the task died")],
    "raises when asked to end": [RECEIVE, STARTED, RECEIVE, RuntimeError("no goodbye")],
    "says that it cannot end": [RECEIVE, STARTED, RECEIVE, NOT_ENDED],
    "says and raises that it cannot end": [RECEIVE, STARTED, RECEIVE, NOT_ENDED, RuntimeError("no goodbye")],
    "mixes up start and end": [RECEIVE, ENDED],
    "starts twice": [RECEIVE, STARTED, STARTED],
    "ends twice": [RECEIVE, STARTED, RECEIVE, ENDED, ENDED],
    "sends a message of HTTP": [RECEIVE, {"type": "http.response.start", "status": 200}],
    "ends with SystemExit": [RECEIVE, SystemExit(3)],
}

#: Where tunicorn is stricter; docs/asgi.md has the reason.
REFUSED_BY_TUNICORN: Final = {("returns at once", "on"), ("returns when asked to start", "on")}


class Recorder:
    """An application that performs a program, and takes note of what it gets to see."""

    def __init__(self, program: list[Any]) -> None:
        self._program = program
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(f"called with {scope}")
        try:
            for step in self._program:
                await self._perform(step, receive, send)
        except BaseException as error:
            # What is said of a wrong message is another text.
            self.seen.append(f"left by {'an error' if isinstance(error, Exception) else repr(error)}")
            raise
        self.seen.append("returned")

    async def _perform(self, step: object, receive: Receive, send: Send) -> None:
        if isinstance(step, BaseException):
            raise step
        if step == RECEIVE:
            self.seen.append(f"received {await receive()}")
        else:
            await send(dict(cast("Message", step)))


async def live(application: AsgiApplication, logger: Logger, mode: Mode) -> bool:
    """In tunicorn; whether it starts."""
    lifespan = Lifespan(application, logger, mode)
    try:
        await lifespan.startup()
    except LifespanError:
        return False
    await asyncio.sleep(0)
    await lifespan.shutdown()
    return True


async def live_in_uvicorn(application: AsgiApplication, mode: Mode) -> bool:
    lifespan = LifespanOn(Config(cast("Any", application), lifespan=mode, log_config=None))
    await lifespan.startup()
    if lifespan.should_exit:
        return False
    await asyncio.sleep(0)
    await lifespan.shutdown()
    # It goes on when the application has answered; what follows is seen all the same.
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    return True


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_lifespan_goes_as_with_uvicorn(name: str, mode: Mode, logger: Logger) -> None:
    own, other = Recorder(PROGRAMS[name]), Recorder(PROGRAMS[name])
    starts = asyncio.run(live(own, logger, mode))
    starts_in_uvicorn = asyncio.run(live_in_uvicorn(other, mode))
    if (name, mode) in REFUSED_BY_TUNICORN:
        assert (starts, starts_in_uvicorn) == (False, True)
    else:
        assert starts == starts_in_uvicorn
    assert own.seen == other.seen
