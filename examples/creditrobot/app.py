"""The CreditRobot application. It tells which process imported it and which one answers."""

import os

from flask import Flask, jsonify, request

IMPORTED_BY = os.getpid()

app = Flask(__name__)


@app.route("/")
def index():
    return jsonify(application="CreditRobot", imported_by=IMPORTED_BY, answered_by=os.getpid())


@app.route("/score", methods=["POST"])
def score():
    income = request.get_json()["income"]
    return jsonify(approved=income >= 1000)


if __name__ == '__main__':
    app.run(debug=True, host='0.0.0.0', port=5000)
