"""The tree keeps what its documents say."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from local.env_example import env_example

PROJECT = Path(__file__).resolve().parent.parent
MEMBERS = sorted(path.parent for folder in ("libs", "services") for path in (PROJECT / folder).glob("*/pyproject.toml"))


def _imported(source: Path) -> set[str]:
    found: set[str] = set()
    for file in source.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_member_declares_exactly_what_it_imports(member: Path) -> None:
    declared_table = tomllib.loads((member / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[ ]", name)[0].replace("-", "_") for name in declared_table["dependencies"]}
    package = next((member / "src").iterdir()).name
    imported = _imported(member / "src") - {package}
    # botocore comes with aiobotocore, which pins it
    assert {name.replace("aiobotocore", "botocore") for name in imported} == {
        name.replace("aiobotocore", "botocore") for name in declared
    }


_IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if module.name.rpartition(".")[2] not in ("main", "__main__"):
        importlib.import_module(module.name)
"""


def _sources(member: Path) -> set[Path]:
    """The folder of a member's package, and of those members that it needs."""
    declared = tomllib.loads((member / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = [other for other in MEMBERS if other.name in declared]
    return {member / "src"}.union(*(_sources(other) for other in needed))


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_member_imports_without_the_members_that_it_does_not_declare(member: Path) -> None:
    package = next((member / "src").iterdir()).name
    found = [*_sources(member), Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))]
    # -S: the links to the other members in site-packages are not followed
    command = [sys.executable, "-S", "-c", _IMPORT_ALL, package]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys(found)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_member_is_typed(member: Path) -> None:
    assert list((member / "src").glob("*/py.typed"))


def test_every_http_port_is_behind_the_bounded_server() -> None:
    calls = {
        (file.name, node.attr)
        for folder in ("libs", "services")
        for file in (PROJECT / folder).glob("*/src/**/*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"AppRunner", "ServerRunner", "run_app", "start_server"}
    }
    assert calls == {("http.py", "AppRunner")}


def test_the_settings_example_is_what_the_settings_say() -> None:
    assert (PROJECT / ".env.example").read_text() == env_example(), "python -m local.env_example > .env.example"


def test_every_make_target_that_the_readme_shows_exists() -> None:
    shown = set(re.findall(r"(?:^|`)make ([a-z-]+)", (PROJECT / "README.md").read_text(), flags=re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    assert shown
    assert shown <= targets


def test_make_help_lists_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)", makefile, flags=re.MULTILINE))
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    assert phony == described


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"
