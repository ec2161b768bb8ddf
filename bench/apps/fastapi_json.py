from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    id: int
    message: str
    tags: list[str]


@app.get("/items/{item_id}")
async def item(item_id: int) -> Item:
    return Item(id=item_id, message="Hello, World!", tags=["a", "b", "c"])
