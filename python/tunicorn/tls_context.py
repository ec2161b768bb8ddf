"""The hook ssl_context: its context stays here, and the router is told what it asks for."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tunicorn.config import Config
from tunicorn.hooks import Hook
from tunicorn.tracebacks import user_traceback

#: The versions that both OpenSSL and Node know, oldest first, with the option that switches each off.
VERSIONS: Final = (
    (ssl.TLSVersion.TLSv1, "TLSv1", ssl.OP_NO_TLSv1),
    (ssl.TLSVersion.TLSv1_1, "TLSv1.1", ssl.OP_NO_TLSv1_1),
    (ssl.TLSVersion.TLSv1_2, "TLSv1.2", ssl.OP_NO_TLSv1_2),
    (ssl.TLSVersion.TLSv1_3, "TLSv1.3", ssl.OP_NO_TLSv1_3),
)

Password = str | bytes | bytearray | Callable[[], str | bytes | bytearray]


class TlsContextError(Exception):
    """The hook's context cannot be spoken with; the text is for the operator."""


class Chain(NamedTuple):
    """What load_cert_chain() was called with."""

    certfile: str
    #: None: the key is in `certfile`.
    keyfile: str | None
    password: str | None


class RecordedContext(ssl.SSLContext):
    """A real context, which remembers the one thing that it cannot be asked for."""

    chain: Chain | None = None

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Password | None = None) -> None:
        """As that of ssl.SSLContext."""
        super().load_cert_chain(certfile, keyfile, password)
        self.chain = Chain(
            os.path.abspath(os.fsdecode(certfile)),
            None if keyfile is None else os.path.abspath(os.fsdecode(keyfile)),
            _password_text(password),
        )


def _password_text(password: Password | None) -> str | None:
    said = password() if callable(password) else password
    return said if said is None or isinstance(said, str) else bytes(said).decode()


def make_default_context(cfg: Config) -> RecordedContext:
    """The context that Gunicorn makes of the settings, as ssl.create_default_context() does."""
    context = RecordedContext(ssl.PROTOCOL_TLS_SERVER)
    if cfg.ca_certs is not None:
        context.load_verify_locations(cafile=cfg.ca_certs)
    if cfg.certfile is not None:
        context.load_cert_chain(cfg.certfile, cfg.keyfile)
    context.verify_mode = ssl.VerifyMode(cfg.cert_reqs)
    if cfg.ciphers is not None:
        context.set_ciphers(cfg.ciphers)
    return context


def call_hook(hook: Hook, cfg: Config) -> dict[str, object]:
    """Calls the hook as Gunicorn does, and tells what its context asks for. Raises TlsContextError."""
    try:
        context = hook(cfg, lambda: make_default_context(cfg))
    except BaseException as error:
        raise TlsContextError(f"The hook ssl_context raised\n{user_traceback(error)}") from error
    if not isinstance(context, ssl.SSLContext):
        raise TlsContextError(
            f"The hook ssl_context returned {context!r}, want an ssl.SSLContext\n"
            "  End it with: return context"
        )
    if context.sni_callback is not None:
        raise TlsContextError(
            "The hook ssl_context sets sni_callback, which the router cannot call\n"
            "  Use one certificate for all names, or let a proxy in front choose"
        )
    return describe_context(context)


def describe_context(context: ssl.SSLContext) -> dict[str, object]:
    """What the router needs to know of a context."""
    chain = context.chain if isinstance(context, RecordedContext) else None
    oldest, newest = _versions(context)
    authorities = [ssl.DER_cert_to_PEM_cert(each) for each in context.get_ca_certs(binary_form=True)]
    usual = _old_ciphers(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    ciphers = _old_ciphers(context)
    return {
        "chain": None if chain is None else chain._asdict(),
        "authorities": "".join(authorities) or None,
        "verifyMode": int(context.verify_mode),
        "minVersion": oldest,
        "maxVersion": newest,
        "ciphers": None if ciphers == usual else ":".join(ciphers),
    }


def _versions(context: ssl.SSLContext) -> tuple[str, str]:
    allowed = [
        name
        for version, name, off in VERSIONS
        if _is_within(version, context.minimum_version, context.maximum_version) and not context.options & off
    ]
    if not allowed:
        raise TlsContextError("The context of the hook ssl_context allows no version of TLS")
    return allowed[0], allowed[-1]


def _is_within(version: ssl.TLSVersion, oldest: ssl.TLSVersion, newest: ssl.TLSVersion) -> bool:
    """The two ends may be numbers of their own, below and above all others."""
    is_old_enough = newest == ssl.TLSVersion.MAXIMUM_SUPPORTED or version <= newest
    is_new_enough = oldest == ssl.TLSVersion.MINIMUM_SUPPORTED or version >= oldest
    return is_old_enough and is_new_enough


def _old_ciphers(context: ssl.SSLContext) -> list[str]:
    """Those up to TLS 1.2; the later ones are always the same."""
    return [cipher["name"] for cipher in context.get_ciphers() if not cipher["name"].startswith("TLS_")]
