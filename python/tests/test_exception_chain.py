"""What an exception comes of."""

from __future__ import annotations

from tunicorn.exception_chain import chain_of


def test_causes_and_contexts_are_found() -> None:
    error, cause, context = RuntimeError("error"), ValueError("cause"), KeyError("context")
    error.__cause__ = cause
    cause.__context__ = context
    assert list(chain_of(error)) == [error, cause, context]


def test_a_circle_is_gone_round_once() -> None:
    error, other = RuntimeError("error"), ValueError("other")
    error.__cause__ = other
    other.__cause__ = error
    assert list(chain_of(error)) == [error, other]
