"""A tenth of a second for every request, as a slow query or another service takes."""

import asyncio

from hello_asgi import app as hello


async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(0.1)
    await hello(scope, receive, send)
