"""Gunicorn's package for programs that serve themselves."""
