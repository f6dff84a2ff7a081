"""Which tests of a package are most likely to notice a mutant."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path


def nearest_first(tests: Iterable[Path], module: Path) -> list[Path]:
    """Order test files: those named after the module, those that import it, its folder's, those that mention its names.

    None is left out, so that a survivor has met the whole suite. A test may reach a module through names that the
    package exports: whichever mentions most of what the module defines comes before the others.
    """
    dotted = _dotted_name(module)
    own = {f"test_{'_'.join(dotted[start:])}" for start in range(len(dotted))}
    imported = re.compile(rf"\b{re.escape('.'.join(dotted))}\b")
    names = _public_names(module.read_text(encoding="utf-8"))

    def distance(test: Path) -> tuple[bool, bool, bool, int, Path]:
        text = test.read_text(encoding="utf-8")
        mentioned = sum(name in names for name in re.findall(r"\w+", text))
        sibling = bool(set(test.stem.split("_")) & set(dotted[1:-1]))
        return test.stem not in own, imported.search(text) is None, not sibling, -mentioned, test

    return sorted(tests, key=distance)


def _dotted_name(module: Path) -> tuple[str, ...]:
    parts = module.with_suffix("").parts
    inside = parts[len(parts) - parts[::-1].index("src") :]
    return inside[:-1] if inside[-1] == "__init__" else inside


def _public_names(source: str) -> set[str]:
    defined: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
    return {name for name in defined if not name.startswith("_")}
