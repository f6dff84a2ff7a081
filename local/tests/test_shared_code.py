import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local.shared_code import shared_code

# It fails where another one is about to start.
MAIN = """
import os, pathlib, time
busy = pathlib.Path(__file__).parent / "busy"
busy.touch(exist_ok=False)
time.sleep(0.2)
busy.unlink()
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A function's zip, much smaller than ours."""
    path = tmp_path / "lambda-local-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("botocore/__init__.py", "")
        archive.writestr("botocore/handlers.py", "")
        archive.writestr("lambda_handler/__init__.py", "")
        archive.writestr("lambda_handler/main.py", MAIN)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "aws").mkdir()
    return tmp_path / "aws"


def start(zipped: Path, folder: Path, program: str) -> "subprocess.Popen[str]":
    """Start an environment as the embedded AWS does: the zip unpacked for it alone, and first in the path."""
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-S", "-c", program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("first", ["botocore.handlers", "lambda_handler.main"])
def test_an_environment_takes_all_its_code_from_the_shared_folder(
    artifact: Path, folder: Path, tmp_path: Path, first: str
) -> None:
    zipped = shared_code(artifact, folder)
    program = f"import {first}, botocore.handlers, lambda_handler.main as main; print(botocore.__file__, main.__file__)"
    with start(zipped, tmp_path / "environment", program) as environment:
        said, error = environment.communicate()
    assert environment.returncode == 0, error
    assert [Path(file).is_relative_to(folder) for file in said.split()] == [True, True]


def test_the_code_is_found_from_everywhere(
    artifact: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    zipped = shared_code(artifact, folder.relative_to(tmp_path))
    with start(zipped, tmp_path / "environment", "import lambda_handler.main") as environment:
        _, error = environment.communicate()
    assert environment.returncode == 0, error


def test_the_code_is_unpacked_once(artifact: Path, folder: Path) -> None:
    zipped = shared_code(artifact, folder)
    known = sorted(folder.rglob("*"))
    assert shared_code(artifact, folder) == zipped
    assert sorted(folder.rglob("*")) == known
    with zipfile.ZipFile(zipped) as archive:
        assert sorted(archive.namelist()) == ["botocore/__init__.py", "lambda_handler/__init__.py"]


def test_no_more_environments_start_at_once_than_there_are_cores(artifact: Path, folder: Path, tmp_path: Path) -> None:
    zipped = shared_code(artifact, folder)
    program = "import os; os.cpu_count = lambda: 1; import botocore.handlers"
    environments = [start(zipped, tmp_path / f"environment-{n}", program) for n in range(3)]
    errors = []
    for environment in environments:
        with environment:
            errors.append(environment.communicate()[1])
    assert errors == ["", "", ""]
