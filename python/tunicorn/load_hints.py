"""What to do about an application that cannot be loaded, by the slips that happen most."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import pwd
import shlex
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

#: Names under which applications and factories are usually found.
USUAL_NAMES: Final = ("application", "app", "create_app", "make_app", "wsgi")

#: By their parameters, with which an instance of a framework's class is called: WSGI's and ASGI's.
APPLICATION_PARAMETERS: Final = (
    ["self", "environ", "start_response"],
    ["self", "scope", "receive", "send"],
)

NO_APPLICATION: Final = (
    "An application has to be a variable of the module: one that is made in a function, or below "
    'if __name__ == "__main__", is not there when the module is imported'
)


def is_factory_name(name: str) -> bool:
    """Whether a function of this name usually makes an application."""
    return name.startswith(("create_", "make_", "get_"))


def missing_module_hint(module_name: str, folder: str) -> str:
    """Where no module of that name is found."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return (
            f"The user {_own_name()} may not read {folder}: give him the right (chmod o+rx, also to the "
            "folders above it), or name a folder that he may read with --chdir"
        )
    if "/" in module_name:
        return _path_hint(os.path.relpath(module_name.rstrip("/"), folder), folder)
    for ending in (".py", ".wsgi"):
        if module_name.endswith(ending) and os.path.isfile(os.path.join(folder, module_name)):
            return _file_name_hint(module_name, module_name.removesuffix(ending))
    parent, _, name = module_name.rpartition(".")
    if parent and os.path.isfile(f"{os.path.join(folder, *parent.split('.'))}.py"):
        return f"Between module and name stands a colon: {parent}:{name}"
    return _other_place_hint(module_name, folder) or _near_module_hint(module_name, folder)


def _path_hint(path: str, folder: str) -> str:
    for ending in (".py", ".wsgi"):
        if path.endswith(ending) and os.path.isfile(os.path.join(folder, path)) and not path.startswith(".."):
            return _file_name_hint(path, path.removesuffix(ending))
    place, _, name = path.removesuffix(".py").rpartition("/")
    if path.startswith(".."):
        return f"Name its folder with --chdir: tunicorn --chdir {shlex.quote(place)} {name}:app"
    dotted = f"{place}/{name}".strip("/").replace("/", ".")
    return f"A folder is written with dots: {dotted}:app"


def _file_name_hint(path: str, module_path: str) -> str:
    return f'"{path}" is a file name; write the module: {module_path.replace("/", ".")}:app'


def _other_place_hint(module_name: str, folder: str) -> str | None:
    """A server is often started one folder above or below the right one."""
    below = [os.path.join(folder, entry) for entry in _entries(folder)]
    for place in [os.path.dirname(folder), *below]:
        path = os.path.join(place, *module_name.split("."))
        if os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py")):
            return f"It is in {place}: use --chdir {shlex.quote(place)}"
    return None


def _near_module_hint(module_name: str, folder: str) -> str:
    """In the innermost package of those that are written right."""
    right: list[str] = []
    rest = module_name.split(".")
    place = folder
    while len(rest) > 1 and os.path.isdir(os.path.join(place, rest[0])):
        right.append(rest.pop(0))
        place = os.path.join(folder, *right)
    packages, modules = _modules_in(place)
    near = difflib.get_close_matches(rest[0], [*modules, *packages], 1)
    if near:
        return f'There is a module "{".".join([*right, near[0]])}" there. Did you mean it?'
    where = place if right else "that folder"
    shown = ", ".join([*packages, *modules][:8])
    found = f"Modules in {where}: {shown}. " if shown else f"No Python module is in {where}. "
    return f"{found}Use --chdir or --pythonpath if the application is elsewhere"


def _modules_in(folder: str) -> tuple[list[str], list[str]]:
    """Packages, and other modules."""
    entries = _entries(folder)
    packages = [entry for entry in entries if os.path.isfile(os.path.join(folder, entry, "__init__.py"))]
    modules = [entry.removesuffix(".py") for entry in entries if entry.endswith(".py")]
    return packages, [module for module in modules if module != "__init__"]


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _own_name() -> str:
    """Name of the user whose rights this process has, or his number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def missing_import_hint(error: BaseException) -> str | None:
    """Where the application's own code imports what is not there."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    parent, _, name = error.name.rpartition(".")
    package = sys.modules.get(parent)
    if package is not None:
        return f'"{parent}" is {_place_of(package)}, and has no module "{name}"'
    importer = _importing_folder(error)
    if importer is not None and importer not in sys.path:
        path = os.path.join(importer, error.name)
        if os.path.isfile(f"{path}.py") or os.path.isdir(path):
            return (
                f'"{error.name}" is in {importer}, which is not on the Python path: use '
                f"--chdir {shlex.quote(importer)}, or --pythonpath"
            )
    # What is missing is often there, in another interpreter.
    return f"The application runs in {sys.executable}: install it there, or name another with --python"


def _place_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__


def _importing_folder(error: BaseException) -> str | None:
    """Folder of the file whose import failed."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename for frame in frames if not frame.filename.startswith("<")]
    return os.path.dirname(files[-1]) if files else None


def missing_name_hint(module: ModuleType, name: str) -> str:
    """Where the module has no variable of that name."""
    public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    callables = [key for key, value in public.items() if callable(value)]
    usual = [key for key in USUAL_NAMES if key in callables]
    made = [key for key in usual if not is_factory_name(key)]
    near = made or usual or difflib.get_close_matches(name, callables, 2)
    near = near or [key for key, value in public.items() if _is_called_as_application(value)]
    if not near:
        inner = _entry_module(module)
        return NO_APPLICATION if inner is None else f"Did you mean {inner}?"
    written = [
        written_call(module.__name__, public[key]) if is_factory_name(key) else f"{module.__name__}:{key}"
        for key in near
    ]
    return f"Did you mean {' or '.join(written)}?"


def _entry_module(package: ModuleType) -> str | None:
    """Where a Django project, and many a package, has its application."""
    for folder in getattr(package, "__path__", []):
        for name in ("wsgi", "asgi"):
            if os.path.isfile(os.path.join(folder, f"{name}.py")):
                return f"{package.__name__}.{name}"
    return None


def _is_called_as_application(value: object) -> bool:
    try:
        return list(inspect.signature(type(value).__call__).parameters) in APPLICATION_PARAMETERS
    except (AttributeError, TypeError, ValueError):
        return False


def written_call(module_name: str, factory: Callable[..., Any]) -> str:
    """How a factory is named on a command line: a shell needs quotes around the parentheses."""
    name = getattr(factory, "__name__", "create_app")
    needed = _needed_arguments(factory)
    if not needed:
        return f"'{module_name}:{name}()'"
    return f"'{module_name}:{name}(...)' with values for {', '.join(needed)}"


def wrong_call_hint(module_name: str, factory: Callable[..., Any]) -> str | None:
    """Where the factory takes other arguments than those that are written."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return None
    return f"Its parameters are {signature}: write {written_call(module_name, factory)}"


def _needed_arguments(factory: Callable[..., Any]) -> list[str]:
    """Names of the parameters that have no default."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def no_literal_hint(module_name: str, call: ast.Call) -> str:
    """Where an argument is no literal: quotes were left out, or the shell has taken them."""
    arguments = [_as_literal(argument) for argument in call.args]
    keywords = [ast.keyword(word.arg, _as_literal(word.value)) for word in call.keywords]
    written = ast.unparse(ast.Call(call.func, arguments, keywords))
    return f'Text stands in quotes, and the whole in others: "{module_name}:{written}"'


def _as_literal(argument: ast.expr) -> ast.expr:
    try:
        ast.literal_eval(argument)
    except ValueError:
        return ast.Constant(ast.unparse(argument))
    return argument
