"""Making hooks of what a configuration file gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tunicorn.hooks import HookError, make_hook

POST_REQUEST = ["worker", "req", "environ", "resp"]


def no_argument() -> None: ...
def one(server: object) -> None: ...
def two(server: object, worker: object) -> None: ...
def three(server: object, worker: object, more: object) -> None: ...
def third_is_optional(server: object, worker: object, more: object = None) -> None: ...
def any_number(*arguments: object) -> None: ...
def named(server: object, worker: object, *, name: str) -> None: ...


class Recorder:
    """A hook that is an object."""

    def __call__(self, server: object, worker: object) -> None: ...

    def method(self, server: object, worker: object) -> None: ...


@pytest.mark.parametrize(
    "hook", [two, third_is_optional, any_number, Recorder(), Recorder().method, lambda s, w: None, max]
)
def test_a_hook_that_takes_the_arguments_is_taken_as_it_is(hook: Callable[..., object]) -> None:
    assert make_hook("pre_fork", hook, ["server", "worker"]) is hook


@pytest.mark.parametrize(
    ("hook", "shown"),
    [
        (no_argument, "() -> 'None'"),
        (one, "(server: 'object') -> 'None'"),
        (three, "(server: 'object', worker: 'object', more: 'object') -> 'None'"),
        (named, "(server: 'object', worker: 'object', *, name: 'str') -> 'None'"),
    ],
)
def test_a_hook_that_takes_other_arguments_is_refused_with_both_forms(
    hook: Callable[..., object], shown: str
) -> None:
    with pytest.raises(HookError) as caught:
        make_hook("pre_fork", hook, ["server", "worker"])
    assert str(caught.value) == (
        f"The hook pre_fork is called as pre_fork(server, worker), but it is defined as {shown}"
    )


@pytest.mark.parametrize(
    ("hook", "given"),
    [
        (lambda *arguments: arguments, (1, 2, 3, 4)),
        (lambda worker, req, environ, resp: (worker, req, environ, resp), (1, 2, 3, 4)),
        (lambda worker, req, environ: (worker, req, environ), (1, 2, 3)),
        (lambda worker, req: (worker, req), (1, 2)),
    ],
)
def test_post_request_is_given_as_many_arguments_as_it_takes(
    hook: Callable[..., object], given: tuple[int, ...]
) -> None:
    assert make_hook("post_request", hook, POST_REQUEST)(1, 2, 3, 4) == given


@pytest.mark.parametrize("hook", [one, lambda a, b, c, d, e: None])
def test_post_request_with_other_numbers_of_arguments_is_refused(hook: Callable[..., object]) -> None:
    with pytest.raises(HookError, match=r"is called as post_request\(worker, req, environ, resp\)"):
        make_hook("post_request", hook, POST_REQUEST)


def test_a_hook_given_by_its_dotted_name_is_checked_too() -> None:
    with pytest.raises(HookError, match="The hook on_exit is called as on_exit"):
        make_hook("on_exit", "os.path.join", [])
