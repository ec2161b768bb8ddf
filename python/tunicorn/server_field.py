"""The field Server where a configuration file assigns to the names of Gunicorn's that make it there."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

from tunicorn.gunicorn_names import SERVER


def changed_server_field() -> str | None:
    """What the field is to say, empty for no field; None when nobody has changed it."""
    wsgi = sys.modules.get("gunicorn.http.wsgi")
    for module in (wsgi, sys.modules.get("gunicorn")):
        server = getattr(module, "SERVER", SERVER)
        if server != SERVER:
            return str(server)
    return None if wsgi is None else _of_default_headers(wsgi)


def _of_default_headers(wsgi: ModuleType) -> str | None:
    """What is left of the field where Response.default_headers, or the class, was replaced."""
    try:
        response = wsgi.Response.__new__(wsgi.Response)
        request = SimpleNamespace(version=(1, 1), method="GET")
        # Of what an installed Gunicorn's method asks for: nothing here has a connection.
        vars(response).update(req=request, version=SERVER, status="200 OK", must_close=True)
        vars(response).update(upgrade=False, chunked=False, headers=[], response_length=None)
        lines = [str(line) for line in response.default_headers()]
    # It is the user's code, and asked for something that only a response of Gunicorn's has.
    except Exception:
        return None
    fields = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("server:")]
    said = fields[0] if fields else ""
    return None if said == SERVER else said
