"""`GET /` answers with 1 MiB; `POST /` reads its body and says whether it is that mebibyte."""

MEBIBYTE = b"0123456789abcdef" * 65536


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer, content_type = (b"as sent" if body == MEBIBYTE else b"not as sent"), "text/plain"
    else:
        answer, content_type = MEBIBYTE, "application/octet-stream"
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(answer)))])
    return [answer]
