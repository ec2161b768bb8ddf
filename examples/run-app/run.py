"""A Flask application with the health check that its container asks for."""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.route("/")
def index():
    return jsonify(message="Hello", scheme=request.scheme, client=request.headers.get("X-Real-IP"))


@app.route("/health")
def health():
    return "OK", 200
