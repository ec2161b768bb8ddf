"""The Python side of tunicorn: the mold, its workers and the gateways to applications."""

__version__ = "0.1.0"
