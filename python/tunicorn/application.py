"""Finding the application that a specification names, and saying clearly what is wrong when it fails."""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from tunicorn.load_hints import (
    missing_import_hint,
    missing_module_hint,
    missing_name_hint,
    no_literal_hint,
    wrong_call_hint,
)
from tunicorn.tracebacks import user_traceback

#: A WSGI application, or the callable that stands for one.
Application = Callable[..., Any]

#: A worker process failed to boot.
EXIT_WORKER_BOOT: Final = 3
#: The application failed to load.
EXIT_APPLICATION_LOAD: Final = 4

DEFAULT_NAME: Final = "application"


class LoadError(Exception):
    """The application cannot be loaded; the text is for the operator."""

    def __init__(self, message: str, exit_status: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.hint = hint

    @property
    def report(self) -> str:
        """Message and hint."""
        message = str(self)
        return message if self.hint is None else f"{message}\n  {self.hint}"


def load_application(spec: str) -> Application:
    """The application of `module`, `module:name` or `module:factory('argument', key=1)`."""
    module_name, _, expression = spec.partition(":")
    expression = expression.strip() or DEFAULT_NAME
    call = _parse(spec, expression)
    module = _import(spec, module_name)
    target = call.func if isinstance(call, ast.Call) else call
    assert isinstance(target, ast.Name)  # _parse lets nothing else through
    found = _find(spec, module, target.id)
    if isinstance(call, ast.Call):
        found = _call_factory(spec, found, call)
    return _check(spec, expression, found)


def _parse(spec: str, expression: str) -> ast.Call | ast.Name:
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        tree = ast.Constant(None)
    if isinstance(tree, ast.Name):
        return tree
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return tree
    raise LoadError(
        f'Cannot load application "{spec}": "{expression}" is neither a name nor a call of a name',
        EXIT_APPLICATION_LOAD,
        "Write module:name or module:factory('argument', key=1)",
    )


def _import(spec: str, module_name: str) -> ModuleType:
    if "/" in module_name or module_name.startswith("."):
        raise _module_missing(spec, module_name, module_name)
    try:
        return importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and (module_name == missing or module_name.startswith(f"{missing}.")):
            raise _module_missing(spec, module_name, missing) from error
        if isinstance(error, ValueError) and not module_name:
            raise LoadError(
                f'Cannot load application "{spec}": no module is named',
                EXIT_APPLICATION_LOAD,
                f"Write the module before the colon, such as wsgi{spec}",
            ) from error
        raise _import_failed(spec, module_name, error) from error
    # Whatever the application's own code raises, SystemExit too, ends the boot with its traceback.
    except BaseException as error:
        raise _import_failed(spec, module_name, error) from error


def _import_failed(spec: str, module_name: str, error: BaseException) -> LoadError:
    return LoadError(
        f'Cannot load application "{spec}": importing "{module_name}" failed\n{user_traceback(error)}',
        EXIT_WORKER_BOOT,
        missing_import_hint(error),
    )


def _module_missing(spec: str, module_name: str, missing: str) -> LoadError:
    folder = os.getcwd()
    return LoadError(
        f'Cannot load application "{spec}": no module named "{missing}" in {folder} or on the Python path',
        EXIT_WORKER_BOOT,
        missing_module_hint(module_name, folder),
    )


def _find(spec: str, module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError as error:
        where = getattr(module, "__file__", None) or module.__name__
        raise LoadError(
            f'Cannot load application "{spec}": module "{module.__name__}" ({where}) '
            f'has no attribute "{name}"',
            EXIT_APPLICATION_LOAD,
            missing_name_hint(module, name),
        ) from error


def _call_factory(spec: str, factory: Any, call: ast.Call) -> Any:
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    except ValueError as error:
        raise LoadError(
            f'Cannot load application "{spec}": arguments must be literals, such as text and numbers',
            EXIT_APPLICATION_LOAD,
            no_literal_hint(spec.partition(":")[0], call),
        ) from error
    try:
        return factory(*arguments, **keywords)
    except BaseException as error:
        trace = error.__traceback__
        is_called_wrong = isinstance(error, TypeError) and trace is not None and trace.tb_next is None
        raise LoadError(
            f'Cannot load application "{spec}": the factory raised\n{user_traceback(error)}',
            EXIT_APPLICATION_LOAD,
            wrong_call_hint(spec.partition(":")[0], factory)
            if is_called_wrong
            else missing_import_hint(error),
        ) from error


def _check(spec: str, expression: str, found: Any) -> Application:
    if callable(found):
        application: Application = found
        return application
    hint = None
    if found is None and expression.endswith(")"):
        hint = "The factory returned nothing: is its return statement missing?"
    raise LoadError(
        f'Cannot load application "{spec}": "{expression}" is {_short(found)}, want something callable',
        EXIT_APPLICATION_LOAD,
        hint,
    )


def _short(value: object) -> str:
    text = repr(value)
    return f"{text[:80]}{'...' if len(text) > 80 else ''} ({type(value).__name__})"


def add_to_path(folder: str) -> None:
    """Puts a folder first on sys.path, once."""
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def enter_folder(folder: str, python_path: str | None) -> None:
    """Goes to where the application is, by the settings chdir and pythonpath. Raises OSError."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise OSError(f"Cannot change to chdir: {error}") from error
    add_to_path(os.getcwd())
    for path in reversed([path for path in (python_path or "").split(",") if path]):
        add_to_path(os.path.abspath(path))
