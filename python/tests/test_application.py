"""Finding the application that a specification names, and what is said when it fails."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tunicorn.application import (
    EXIT_APPLICATION_LOAD,
    EXIT_WORKER_BOOT,
    LoadError,
    add_to_path,
    load_application,
)

from tests.helpers.modules import importing_from, write_modules

SHOP = """
not_callable = "text"
long = "x" * 200
nothing = None


def application(environ, start_response):
    return ["application"]


def app(environ, start_response):
    return ["app"]


def create_app(*arguments, **keywords):
    def made(environ, start_response):
        return [arguments, keywords]

    return made


def create_nothing():
    pass


def create_text():
    return "text"


def create_failure():
    raise ValueError("no database")


def create_exit():
    raise SystemExit(9)
"""

MODULES = {
    "shop.py": SHOP,
    "only_app.py": "def app(environ, start_response):\n    return ['only']\n",
    "site_package/__init__.py": "",
    "site_package/inner/__init__.py": "",
    "site_package/inner/wsgi.py": "def application(environ, start_response):\n    return ['inner']\n",
    "with_factory.py": "def create_app():\n    return print\n",
    "with_arguments.py": "def create_app(stage, debug, port=80):\n    pass\n\n\n"
    "def create_wrong():\n    return 'x' + 1\n",
    "other_name.py": "class Framework:\n    def __call__(self, environ, start_response):\n        return []\n"
    "server = Framework()\n",
    "below/deeper.py": "app = print\n",
    "below/imports_deeper.py": "import deeper\n",
    "misses_inner_module.py": "import site_package.iner\n",
    "raises.py": "def connect():\n    raise RuntimeError('no database')\n\n\nconnect()\n",
    "raises_deep.py": "import raises\n",
    "raises_value_error.py": "int('x')\n",
    "exits.py": "import sys\n\nsys.exit('not today')\n",
    "interrupts.py": "raise KeyboardInterrupt\n",
    "misses_module.py": "import a_module_that_is_not_there\n",
    "misses_name.py": "from shop import a_name_that_is_not_there\n",
    "bad_syntax.py": "a = 1\ndef f(:\n",
    "raises_from.py": "try:\n    {}['key']\nexcept KeyError as e:\n    raise RuntimeError('late') from e\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, full of modules."""
    write_modules(tmp_path, MODULES)
    monkeypatch.chdir(tmp_path)
    with importing_from(tmp_path):
        yield tmp_path


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder without any module."""
    monkeypatch.chdir(tmp_path)
    with importing_from(tmp_path):
        yield tmp_path


def load_failing(spec: str) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load_application(spec)
    return caught.value


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        pytest.param("shop", ["application"], id="module"),
        pytest.param("shop:", ["application"], id="module and colon"),
        pytest.param("shop:app", ["app"], id="module and name"),
        pytest.param("shop: app ", ["app"], id="spaces around the name"),
        pytest.param("site_package.inner.wsgi", ["inner"], id="module in packages"),
        pytest.param("site_package.inner.wsgi:application", ["inner"], id="name in packages"),
        pytest.param("shop:create_app()", [(), {}], id="factory"),
        pytest.param("shop:create_app('x', 2, None)", [("x", 2, None), {}], id="factory with arguments"),
        pytest.param("shop:create_app(key=1)", [(), {"key": 1}], id="factory with keywords"),
        pytest.param(
            'shop:create_app("a:b", [1, -2.5], {"k": (True,)}, key={"s"})',
            [("a:b", [1, -2.5], {"k": (True,)}), {"key": {"s"}}],
            id="factory with all sorts of literals",
        ),
    ],
)
def test_the_application_of_a_specification_is_found(spec: str, answer: list[object]) -> None:
    assert load_application(spec)({}, None) == answer


class Failure(NamedTuple):
    """A specification that cannot be loaded."""

    spec: str
    exit_status: int
    message: str
    hint: str | None


FAILURES = {
    "module that is not there": Failure(
        "nowhere:app",
        EXIT_WORKER_BOOT,
        r'no module named "nowhere" in {folder} or on the Python path',
        r"Modules in that folder: site_package, bad_syntax, .*\. Use --chdir or --pythonpath if the "
        r"application is elsewhere",
    ),
    "name of a module with a slip": Failure(
        "shpo:app",
        EXIT_WORKER_BOOT,
        r'no module named "shpo" in .*',
        r'There is a module "shop" there\. Did you mean it\?',
    ),
    "name of a package with a slip": Failure(
        "site_packages.inner",
        EXIT_WORKER_BOOT,
        r'no module named "site_packages" in .*',
        r'There is a module "site_package" there\. Did you mean it\?',
    ),
    "module that is not in its package": Failure(
        "site_package.outer.wsgi:app",
        EXIT_WORKER_BOOT,
        r'no module named "site_package\.outer" in .*',
        r"Modules in {folder}/site_package: inner\. Use --chdir or --pythonpath if .*",
    ),
    "name of a module in a package with a slip": Failure(
        "site_package.inner.wsgy",
        EXIT_WORKER_BOOT,
        r'no module named "site_package\.inner\.wsgy" in .*',
        r'There is a module "site_package\.inner\.wsgi" there\. Did you mean it\?',
    ),
    "module that is one folder below": Failure(
        "deeper:app",
        EXIT_WORKER_BOOT,
        r'no module named "deeper" in .*',
        r"It is in {folder}/below: use --chdir {folder}/below",
    ),
    "package that imports what lies beside it": Failure(
        "below.imports_deeper:app",
        EXIT_WORKER_BOOT,
        r'importing "below\.imports_deeper" failed\n[^\0]*No module named .deeper.',
        r'"deeper" is in {folder}/below, which is not on the Python path: use --chdir {folder}/below, .*',
    ),
    "import with a slip in a package that is there": Failure(
        "misses_inner_module:app",
        EXIT_WORKER_BOOT,
        r'importing "misses_inner_module" failed\n[^\0]*No module named .site_package\.iner.',
        r'"site_package" is {folder}/site_package/__init__\.py, and has no module "iner"',
    ),
    "dot in the place of the colon": Failure(
        "shop.app",
        EXIT_WORKER_BOOT,
        r'no module named "shop\.app" in .*',
        r"Between module and name stands a colon: shop:app",
    ),
    "package that is not installed": Failure(
        "misses_module:app",
        EXIT_WORKER_BOOT,
        r'importing "misses_module" failed\n[^\0]*No module named .a_module_that_is_not_there.',
        rf"The application runs in {re.escape(sys.executable)}: install it there, or .*",
    ),
    "file name": Failure(
        "shop.py:app",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r'"shop\.py" is a file name; write the module: shop:app',
    ),
    "file name alone": Failure(
        "shop.py",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r'"shop\.py" is a file name; write the module: shop:app',
    ),
    "file name in folders": Failure(
        "site_package/inner/wsgi.py:application",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r'"site_package/inner/wsgi\.py" is a file name; write the module: site_package\.inner\.wsgi:app',
    ),
    "file name that is not there": Failure(
        "site_package/outer.py:app",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r"A folder is written with dots: site_package\.outer:app",
    ),
    "file name outside of the folder": Failure(
        "../shop/wsgi.py:app",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r"Name its folder with --chdir: tunicorn --chdir \.\./shop wsgi:app",
    ),
    "file name as a shell completes it": Failure(
        "./shop.py:app",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r".*write the module: shop:app",
    ),
    "folders": Failure(
        "site_package/inner/wsgi",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r"A folder is written with dots: site_package\.inner\.wsgi:app",
    ),
    "folders as a shell completes them": Failure(
        "./site_package/inner/wsgi",
        EXIT_WORKER_BOOT,
        r"no module named .* in .*",
        r"A folder is written with dots: site_package\.inner\.wsgi:app",
    ),
    "no module": Failure(
        ":app",
        EXIT_APPLICATION_LOAD,
        r"no module is named",
        r"Write the module before the colon, such as wsgi:app",
    ),
    "name that is not in the module": Failure(
        "shop:ap",
        EXIT_APPLICATION_LOAD,
        r'module "shop" \({folder}/shop\.py\) has no attribute "ap"',
        r"Did you mean shop:application or shop:app\?",
    ),
    "default name that is not in the module": Failure(
        "only_app",
        EXIT_APPLICATION_LOAD,
        r'module "only_app" \({folder}/only_app\.py\) has no attribute "application"',
        r"Did you mean only_app:app\?",
    ),
    "default name where there is a factory": Failure(
        "with_factory",
        EXIT_APPLICATION_LOAD,
        r'module "with_factory" .* has no attribute "application"',
        r"Did you mean 'with_factory:create_app\(\)'\?",
    ),
    "default name where there is a factory with parameters": Failure(
        "with_arguments",
        EXIT_APPLICATION_LOAD,
        r'module "with_arguments" .* has no attribute "application"',
        r"Did you mean 'with_arguments:create_app\(\.\.\.\)' with values for stage, debug\?",
    ),
    "factory without its arguments": Failure(
        "with_arguments:create_app('test')",
        EXIT_APPLICATION_LOAD,
        r"the factory raised\nTypeError: create_app\(\) missing 1 required positional argument: 'debug'",
        r"Its parameters are \(stage, debug, port=80\): "
        r"write 'with_arguments:create_app\(\.\.\.\)' with values for stage, debug",
    ),
    "factory that raises a TypeError of its own": Failure(
        "with_arguments:create_wrong()",
        EXIT_APPLICATION_LOAD,
        r"the factory raised\nTraceback [^\0]*TypeError: can only concatenate .*",
        None,
    ),
    "application of another name": Failure(
        "other_name:app",
        EXIT_APPLICATION_LOAD,
        r'module "other_name" .* has no attribute "app"',
        r"Did you mean other_name:server\?",
    ),
    "package in the place of its module": Failure(
        "site_package.inner:app",
        EXIT_APPLICATION_LOAD,
        r'module "site_package\.inner" .* has no attribute "app"',
        r"Did you mean site_package\.inner\.wsgi\?",
    ),
    "name in a module of none that is alike": Failure(
        "site_package:app",
        EXIT_APPLICATION_LOAD,
        r'module "site_package" .* has no attribute "app"',
        r"An application has to be a variable of the module: one that is made in a function, .*",
    ),
    "factory that is not in the module": Failure(
        "shop:make_shop()", EXIT_APPLICATION_LOAD, r'module "shop" .* has no attribute "make_shop"', r".+"
    ),
    "text": Failure(
        "shop:not_callable",
        EXIT_APPLICATION_LOAD,
        r'"not_callable" is \'text\' \(str\), want something callable',
        None,
    ),
    "long text": Failure(
        "shop:long", EXIT_APPLICATION_LOAD, r'"long" is \'x{79}\.\.\. \(str\), want something callable', None
    ),
    "None": Failure(
        "shop:nothing",
        EXIT_APPLICATION_LOAD,
        r'"nothing" is None \(NoneType\), want something callable',
        None,
    ),
    "factory that returns nothing": Failure(
        "shop:create_nothing()",
        EXIT_APPLICATION_LOAD,
        r'"create_nothing\(\)" is None \(NoneType\), want something callable',
        r"The factory returned nothing: is its return statement missing\?",
    ),
    "factory that returns text": Failure(
        "shop:create_text()",
        EXIT_APPLICATION_LOAD,
        r'"create_text\(\)" is \'text\' \(str\), want something callable',
        None,
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_says_what_is_wrong_and_what_to_do(folder: Path, failure: Failure) -> None:
    error = load_failing(failure.spec)
    message = f'Cannot load application "{re.escape(failure.spec)}": {failure.message}'
    assert re.fullmatch(message.replace("{folder}", re.escape(str(folder))), str(error))
    assert error.exit_status == failure.exit_status
    if failure.hint is None:
        assert error.hint is None
    else:
        assert error.hint is not None
        assert re.fullmatch(failure.hint.replace("{folder}", re.escape(str(folder))), error.hint)


def test_the_hint_to_an_absolute_file_name_names_a_module(folder: Path) -> None:
    error = load_failing(f"{folder}/shop.py:app")
    assert error.exit_status == EXIT_WORKER_BOOT
    assert error.hint is not None
    # ".home.me.shop" is no module.
    assert ": ." not in error.hint


@pytest.mark.usefixtures("empty_folder")
def test_a_folder_without_modules_is_said_to_have_none() -> None:
    assert load_failing("wsgi").hint == (
        "No Python module is in that folder. Use --chdir or --pythonpath if the application is elsewhere"
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "expression",
    [
        "app.inner",
        "app[0]",
        "app or None",
        "lambda: 1",
        "1",
        "'text'",
        "(",
        "app app",
        "a:b",
        "app().x",
        "a.b()",
    ],
)
def test_an_expression_that_is_neither_name_nor_call_is_refused(expression: str) -> None:
    error = load_failing(f"shop:{expression}")
    assert str(error) == (
        f'Cannot load application "shop:{expression}": "{expression}" is neither a name nor a call of a name'
    )
    assert error.exit_status == EXIT_APPLICATION_LOAD
    assert error.hint == "Write module:name or module:factory('argument', key=1)"
    assert "shop" not in sys.modules


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("call", "meant"),
    [
        ("create_app(name)", "create_app('name')"),
        ("create_app(2, blue-green)", "create_app(2, 'blue - green')"),
        ("create_app(key=open('f'))", "create_app(key=\"open('f')\")"),
        ("create_app(*[1])", "create_app('*[1]')"),
    ],
)
def test_an_argument_that_is_no_literal_is_refused(call: str, meant: str) -> None:
    error = load_failing(f"shop:{call}")
    assert str(error) == (
        f'Cannot load application "shop:{call}": arguments must be literals, such as text and numbers'
    )
    assert error.exit_status == EXIT_APPLICATION_LOAD
    assert error.hint == f'Text stands in quotes, and the whole in others: "shop:{meant}"'


class Raised(NamedTuple):
    """A specification whose code raises."""

    spec: str
    exit_status: int
    what: str
    #: First and last line of the traceback.
    begins: str
    ends: str


RAISED = {
    "module that raises": Raised(
        "raises",
        EXIT_WORKER_BOOT,
        'importing "raises" failed',
        r"raises.py\", line 5",
        "RuntimeError: no database",
    ),
    "module whose import raises": Raised(
        "raises_deep",
        EXIT_WORKER_BOOT,
        'importing "raises_deep" failed',
        r"raises_deep.py\", line 1",
        "RuntimeError: no database",
    ),
    "module that raises ValueError": Raised(
        "raises_value_error",
        EXIT_WORKER_BOOT,
        'importing "raises_value_error" failed',
        r"raises_value_error.py\", line 1",
        "ValueError: invalid literal for int() with base 10: 'x'",
    ),
    "module that ends the process": Raised(
        "exits", EXIT_WORKER_BOOT, 'importing "exits" failed', r"exits.py\", line 3", "SystemExit: not today"
    ),
    "module that interrupts": Raised(
        "interrupts",
        EXIT_WORKER_BOOT,
        'importing "interrupts" failed',
        r"interrupts.py\", line 1",
        "KeyboardInterrupt",
    ),
    "module that misses another": Raised(
        "misses_module",
        EXIT_WORKER_BOOT,
        'importing "misses_module" failed',
        r"misses_module.py\", line 1",
        "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
    ),
    "module that misses a name": Raised(
        "misses_name",
        EXIT_WORKER_BOOT,
        'importing "misses_name" failed',
        r"misses_name.py\", line 1",
        "ImportError: cannot import name 'a_name_that_is_not_there' from 'shop' ({folder}/shop.py)",
    ),
    "factory that raises": Raised(
        "shop:create_failure()",
        EXIT_APPLICATION_LOAD,
        "the factory raised",
        r"shop.py\", line {line of create_failure}",
        "ValueError: no database",
    ),
    "factory that ends the process": Raised(
        "shop:create_exit()",
        EXIT_APPLICATION_LOAD,
        "the factory raised",
        r"shop.py\", line {line of create_exit}",
        "SystemExit: 9",
    ),
}


@pytest.mark.parametrize("raised", RAISED.values(), ids=RAISED)
def test_what_the_applications_code_raises_is_shown_from_its_own_first_line_on(
    folder: Path, raised: Raised
) -> None:
    error = load_failing(raised.spec)
    lines = str(error).splitlines()
    assert lines[0] == f'Cannot load application "{raised.spec}": {raised.what}'
    assert lines[1] == "Traceback (most recent call last):"
    begins = re.sub(r"{line of (\w+)}", _line_after, raised.begins).replace('\\"', '"')
    assert lines[2].startswith(f'  File "{folder}/{begins}, in ')
    assert lines[-1] == raised.ends.replace("{folder}", str(folder))
    assert error.exit_status == raised.exit_status
    assert error.report.startswith(str(error))


def _line_after(match: re.Match[str]) -> str:
    """The number of the line after the one that defines a function of shop.py."""
    return str(SHOP[: SHOP.index(f"def {match[1]}(")].count("\n") + 2)


def test_a_syntax_error_shows_its_file_and_line(folder: Path) -> None:
    error = load_failing("bad_syntax")
    lines = str(error).splitlines()
    assert error.exit_status == EXIT_WORKER_BOOT
    assert f'  File "{folder}/bad_syntax.py", line 2' in lines
    assert "    def f(:" in lines
    assert "importlib" not in str(error)


@pytest.mark.usefixtures("folder")
def test_a_factory_that_is_called_with_wrong_arguments_is_shown() -> None:
    error = load_failing("shop:create_nothing(1)")
    assert error.exit_status == EXIT_APPLICATION_LOAD
    assert str(error).endswith("TypeError: create_nothing() takes 0 positional arguments but 1 was given")


@pytest.mark.usefixtures("folder")
def test_the_cause_of_an_error_is_shown_with_it() -> None:
    report = str(load_failing("raises_from"))
    assert "KeyError: 'key'" in report
    assert "direct cause" in report
    assert report.endswith("RuntimeError: late")


@pytest.mark.usefixtures("folder")
def test_the_report_is_the_message_and_below_it_the_hint() -> None:
    error = load_failing("only_app")
    assert error.report == f"{error}\n  Did you mean only_app:app?"


@pytest.mark.usefixtures("empty_folder")
def test_a_folder_is_put_first_on_the_path_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/a", "/b"])
    add_to_path("/c")
    add_to_path("/b")
    add_to_path("/b")
    assert sys.path == ["/b", "/c", "/a"]
