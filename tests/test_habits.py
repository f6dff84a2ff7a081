"""What runs by itself, in CI and at a commit, is what people run by hand."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from conftest import pytest_collection_modifyitems

PROJECT = Path(__file__).resolve().parent.parent
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def _yaml(name: str) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))
    return document


def _job() -> dict[str, Any]:
    job: dict[str, Any] = _yaml(".github/workflows/ci.yml")["jobs"]["run"]
    return job


def _prerequisites(target: str) -> set[str]:
    found = re.search(rf"^{target}: ([^#\n]*)", MAKEFILE, flags=re.MULTILINE)
    assert found
    return set(found[1].split())


def test_ci_runs_the_one_script_on_every_system_and_python_that_we_name() -> None:
    assert [step["run"] for step in _job()["steps"] if "run" in step] == [".ci/run"]
    matrix = _job()["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    lowest = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert lowest == f">={matrix['python'][0]}"


def test_ci_may_read_only_and_runs_pinned_actions() -> None:
    assert _yaml(".github/workflows/ci.yml")["permissions"] == {"contents": "read"}
    assert "permissions" not in _job()
    assert "secrets." not in (PROJECT / ".github/workflows/ci.yml").read_text()
    actions = [step["uses"] for step in _job()["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", action) for action in actions)


def test_ci_asks_for_no_package_where_there_is_no_apt() -> None:
    script = (PROJECT / ".ci" / "run").read_text()
    asked = [line for line in script.splitlines() if "apt-get" in line]
    assert "command -v apt-get" in asked[0]
    assert all(line.startswith("    ") for line in asked[1:]), "only below that condition"


def test_the_hooks_are_valid_and_run_every_part_of_make_check() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    subprocess.run(command, cwd=PROJECT, check=True)  # noqa: S603 - fixed words
    (repository,) = _yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "tools of other repositories have versions of their own"
    entries = {hook["entry"] for hook in repository["hooks"]}
    assert entries == {f"make {target}" for target in _prerequisites("check") - {"install"}}


class Item:
    """A collected test, as far as its place in the sequence matters."""

    def __init__(self, name: str, *markers: str) -> None:
        self.name = name
        self._markers = markers

    def get_closest_marker(self, name: str) -> object:
        return name if name in self._markers else None


def test_what_the_tests_start_can_be_interrupted_though_a_shell_runs_them_in_the_background() -> None:
    script = (
        "import signal, conftest; signal.signal(signal.SIGINT, signal.SIG_IGN); conftest.pytest_configure();"
        " print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout == "True\n"  # noqa: S603 - ours


class SharedConfig:
    """The configuration of one of several processes that share the tests."""

    workerinput: ClassVar[dict[str, object]] = {}


@pytest.mark.parametrize(("config", "sequence"), [(object(), "bdac"), (SharedConfig(), "acbd")])
def test_long_tests_run_after_the_others_or_before_them_where_they_are_shared(config: Any, sequence: str) -> None:  # noqa: ANN401 - a double
    items: list[Any] = [Item("a", "long"), Item("b"), Item("c", "long", "chaos"), Item("d", "chaos")]
    pytest_collection_modifyitems(config, items)
    assert [item.name for item in items] == list(sequence)
