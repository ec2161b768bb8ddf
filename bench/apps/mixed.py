"""Most requests are quick; `/slow` takes 50 ms."""

import time

from hello import app as hello


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    return hello(environ, start_response)
