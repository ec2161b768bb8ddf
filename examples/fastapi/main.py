"""An application of FastAPI: an order that is checked, and a WebSocket that answers in capital letters."""

from fastapi import FastAPI, WebSocket
from pydantic import BaseModel, Field

app = FastAPI()


class Order(BaseModel):
    """What a client may order."""

    item: str
    count: int = Field(gt=0)


@app.post("/orders", status_code=201)
async def order(wanted: Order) -> Order:
    return wanted


@app.websocket("/shout")
async def shout(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())
