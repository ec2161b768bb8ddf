from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/items/<int:item_id>")
def item(item_id):
    return jsonify(id=item_id, message="Hello, World!", tags=["a", "b", "c"])
