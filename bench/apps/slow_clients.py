"""Small answers to most, as many bytes as they ask for to those who read slowly."""

BLOCK = bytes(range(256)) * 256


def blocks(left):
    while left > 0:
        yield BLOCK[:left]
        left -= len(BLOCK)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    length = int(path.removeprefix("/bytes/")) if path.startswith("/bytes/") else 13
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(length))])
    return [b"Hello, World!"] if length == 13 else blocks(length)
