"""Answers HTTP with a line, and each message of a WebSocket with itself."""

from hello_asgi import app as hello


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        await hello(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
