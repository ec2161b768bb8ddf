"""A tenth of a second for every request, as a slow query or another service takes."""

import time

from hello import app as hello


def app(environ, start_response):
    time.sleep(0.1)
    return hello(environ, start_response)
