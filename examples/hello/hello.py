"""A plain page that says what request it saw."""


def app(environ, start_response):
    target = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if environ.get("QUERY_STRING"):
        target += "?" + environ["QUERY_STRING"]
    # PEP 3333 hands the path over as bytes in latin-1; a person wants to read UTF-8.
    shown = target.encode("latin-1").decode("utf-8", "replace")
    lines = [
        "Hello! This page is served by tunicorn.",
        "",
        f"Your request:  {environ['REQUEST_METHOD']} {shown} {environ['SERVER_PROTOCOL']}",
        f"Your address:  {environ.get('REMOTE_ADDR') or 'unknown'}",
        f"Your client:   {environ.get('HTTP_USER_AGENT', 'did not say')}",
        "",
        "Serve your own application with:  tunicorn yourmodule:app",
        "",
    ]
    page = "\n".join(lines).encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(page)))]
    start_response("200 OK", headers)
    return [page]
