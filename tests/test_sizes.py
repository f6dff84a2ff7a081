"""Modules and functions stay small enough to be read in one piece."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ROOTS = ("libs", "services", "cloudformation", "local", "load", "mutation", "examples", "tests", "bench")
MODULE_LINES = 350
FUNCTION_LINES = 40
SHORT_FUNCTION_LINES = 20
# Of the product's functions; the libraries, the services and what runs them are held to less, each by itself.
LONG_FUNCTIONS_PERCENT = 8.3
LONG_FUNCTIONS_PERCENT_OF_A_PACKAGE = 5
HELD_TO_LESS = ("libs", "services", "local", "mutation", "bench")

# What was longer when the bounds were drawn. The list only gets shorter: what has become short must leave it.
LONG_MODULES: set[str] = set()
LONG_FUNCTIONS = {
    # A page of wiring, and two lists of what a template asks for: a cut through them would show less, not more.
    "cloudformation/build.py _add_system",
    "cloudformation/parameters/pipeline.py add_pipeline_parameters",
    "cloudformation/parameters/platform.py add_platform_parameters",
}


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function's place and its length, from `def` to its last line."""

    name: str
    lines: int
    of_tests: bool


def _modules() -> dict[str, str]:
    files = [file for root in ROOTS for file in sorted((PROJECT / root).rglob("*.py"))]
    return {file.relative_to(PROJECT).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.fixture(scope="module")
def functions() -> list[Function]:
    return list(_functions())


def _functions() -> Iterator[Function]:
    for path, text in _modules().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield Function(name=f"{path} {node.name}", lines=lines, of_tests="tests" in Path(path).parts)


def test_modules_are_short() -> None:
    long = {path for path, text in _modules().items() if len(text.splitlines()) > MODULE_LINES}
    assert long == LONG_MODULES


def test_functions_are_short(functions: list[Function]) -> None:
    long = {function.name for function in functions if function.lines > FUNCTION_LINES}
    assert long == LONG_FUNCTIONS


def _percent_over(functions: list[Function]) -> float:
    return 100 * sum(function.lines > SHORT_FUNCTION_LINES for function in functions) / len(functions)


def test_most_functions_are_a_glance(functions: list[Function], capsys: pytest.CaptureFixture[str]) -> None:
    of_the_product = [function for function in functions if not function.of_tests]
    percent = _percent_over(of_the_product)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{percent:.1f} % of {len(of_the_product)} functions are over {SHORT_FUNCTION_LINES} lines\n"
        )
    assert percent <= LONG_FUNCTIONS_PERCENT


def test_most_functions_of_every_package_are_a_glance(functions: list[Function]) -> None:
    packages: dict[str, list[Function]] = {}
    for function in functions:
        root, member, *_ = function.name.split("/")
        if root in HELD_TO_LESS and not function.of_tests:
            packages.setdefault(f"{root}/{member}" if root in {"libs", "services"} else root, []).append(function)
    percents = {name: _percent_over(of_the_package) for name, of_the_package in packages.items()}
    assert {name for name, percent in percents.items() if percent > LONG_FUNCTIONS_PERCENT_OF_A_PACKAGE} == set()
