"""The hook ssl_context, and what the router is told of its context."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tunicorn.config import Config
from tunicorn.tls_context import TlsContextError, call_hook

FILES = Path(__file__).parents[2] / "test" / "fixtures" / "tls"

Factory = Callable[[], ssl.SSLContext]


def configured(**settings: object) -> Config:
    usual = {
        "certfile": str(FILES / "server.pem"),
        "keyfile": str(FILES / "server.key"),
        "ca_certs": None,
        "cert_reqs": 0,
        "ciphers": None,
    }
    return Config({**usual, **settings}, {})


def told(change: Callable[[ssl.SSLContext], object], **settings: object) -> dict[str, Any]:
    """What is told of the default context after a change."""

    def hook(_config: Config, make: Factory) -> ssl.SSLContext:
        context = make()
        change(context)
        return context

    return call_hook(hook, configured(**settings))


def leave(_context: ssl.SSLContext) -> None:
    pass


def test_the_default_context_is_what_the_settings_say() -> None:
    assert told(leave) == {
        "chain": {
            "certfile": str(FILES / "server.pem"),
            "keyfile": str(FILES / "server.key"),
            "password": None,
        },
        "authorities": None,
        "verifyMode": 0,
        "minVersion": "TLSv1.2",
        "maxVersion": "TLSv1.3",
        "ciphers": None,
    }


def test_clients_and_ciphers_are_those_of_the_settings() -> None:
    authority = FILES / "authority.pem"
    cipher = "ECDHE-RSA-AES256-GCM-SHA384"
    context = told(leave, ca_certs=str(authority), cert_reqs=2, ciphers=cipher)
    assert context["authorities"].split() == authority.read_text().split()
    assert context["verifyMode"] == 2
    assert context["ciphers"] == cipher


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
@pytest.mark.parametrize(
    ("change", "versions"),
    [
        pytest.param(
            lambda context: setattr(context, "minimum_version", ssl.TLSVersion.TLSv1_3),
            ("TLSv1.3", "TLSv1.3"),
            id="minimum_version",
        ),
        pytest.param(
            lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2),
            ("TLSv1.2", "TLSv1.2"),
            id="maximum_version",
        ),
        pytest.param(
            lambda context: setattr(context, "options", context.options | ssl.OP_NO_TLSv1_2),
            ("TLSv1.3", "TLSv1.3"),
            id="an option, as older programs have it",
        ),
    ],
)
def test_versions_are_told(change: Callable[[ssl.SSLContext], object], versions: tuple[str, str]) -> None:
    context = told(change)
    assert (context["minVersion"], context["maxVersion"]) == versions


@pytest.mark.parametrize("password", ["secret", b"secret", lambda: "secret"])
def test_a_key_with_a_password_is_told_with_it(password: Any) -> None:
    key = FILES / "encrypted.key"
    context = told(lambda context: context.load_cert_chain(FILES / "server.pem", key, password))
    assert context["chain"] == {
        "certfile": str(FILES / "server.pem"),
        "keyfile": str(key),
        "password": "secret",
    }


def test_a_context_that_the_hook_makes_by_itself_uses_the_files_of_the_settings() -> None:
    context = call_hook(lambda _config, _make: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), configured())
    assert context["chain"] is None
    assert context["minVersion"] == "TLSv1.2"


def raise_error(_config: Config, _make: Factory) -> ssl.SSLContext:
    raise LookupError("no context")


def choose_by_name(_config: Config, make: Factory) -> ssl.SSLContext:
    context = make()
    context.sni_callback = lambda *_: None
    return context


def forbid_all(_config: Config, make: Factory) -> ssl.SSLContext:
    context = make()
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    return context


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
@pytest.mark.parametrize(
    ("hook", "says"),
    [
        pytest.param(raise_error, r"ssl_context raised\n(?s:.*)LookupError: no context", id="raises"),
        pytest.param(lambda _config, _make: None, "returned None, want an ssl.SSLContext", id="None"),
        pytest.param(choose_by_name, "sni_callback", id="sni_callback"),
        pytest.param(forbid_all, "no version of TLS", id="no version"),
    ],
)
def test_a_hook_that_cannot_be_followed_is_refused(hook: Callable[..., Any], says: str) -> None:
    with pytest.raises(TlsContextError, match=says):
        call_hook(hook, configured())


def test_cfg_knows_whether_clients_speak_tls() -> None:
    assert configured().is_ssl
    assert not configured(certfile=None, keyfile=None).is_ssl
    assert configured().ssl_options["cert_reqs"] == 0
