"""The SmartCodexAI application: `create_app` picks a configuration by name."""

from flask import Flask, jsonify

from .configuration import CONFIGURATIONS


def create_app(config_name):
    app = Flask(__name__)
    app.config.from_object(CONFIGURATIONS[config_name])

    @app.route("/")
    def index():
        return jsonify(application="SmartCodexAI", environment=config_name, debug=app.config["DEBUG"])

    return app
