import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cloudformation.delivery import artifact
from cloudformation.delivery.archive import (
    UNZIPPED_LIMIT_BYTES,
    ZIPPED_LIMIT_BYTES,
    ArtifactError,
    check_size,
    write_archive,
)
from cloudformation.delivery.artifact import LOCAL, LOCK, TARGETS, Target, build_artifact, build_local_artifact
from cloudformation.delivery.interpreters import find_interpreter

PROGRAM = """
import json, sys
from types import SimpleNamespace
from lambda_handler.main import handler
import lambda_handler, pydantic
answer = handler(json.load(sys.stdin), SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 3000))
idle = [name for name in ("flashbus.consumer", "flashbus.publisher", "structlog") if name in sys.modules]
print(json.dumps([answer, lambda_handler.__file__, lambda_handler.__cached__, pydantic.__cached__, idle]))
"""


def test_a_second_build_finds_the_first(local_artifact: Path) -> None:
    before = local_artifact.stat().st_mtime_ns
    assert build_local_artifact() == local_artifact
    assert local_artifact.stat().st_mtime_ns == before


def test_another_build_of_the_same_wheels_gives_the_same_bytes(
    local_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At another time, in another folder; what pip unpacks is taken from the first build, for it takes 10 s."""

    def unpack(_target: Target, stage: Path) -> None:
        with zipfile.ZipFile(local_artifact) as archive:
            ours = tuple(f"{package.name}/" for package in artifact.PACKAGES)
            names = [n for n in archive.namelist() if "__pycache__" not in n and not n.startswith(ours)]
            archive.extractall(stage, names)

    monkeypatch.setattr(artifact, "_install_dependencies", unpack)
    again = build_local_artifact(tmp_path)
    assert again != local_artifact
    assert again.name == local_artifact.name
    assert again.read_bytes() == local_artifact.read_bytes()


def test_the_zip_holds_bytecode_and_runs_without_anything_else(local_artifact: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(local_artifact) as archive:
        archive.extractall(tmp_path)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "ORDERS_TABLE": "orders",
        "GATEWAY_URL": "http://gateway.test",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "eu-central-1",
    }
    done = subprocess.run(  # noqa: S603  # our own interpreter; -S: nothing but the zip can be imported
        [sys.executable, "-S", "-c", PROGRAM],
        input='{"Records": []}', env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer, module, cached, pydantic_cached, idle = json.loads(done.stdout.splitlines()[-1])
    assert answer is None
    assert idle == [], "every cold start pays for what is imported"
    assert Path(module).is_relative_to(tmp_path)
    assert Path(cached).exists()
    assert Path(pydantic_cached).exists()
    assert b"/var/task" in Path(cached).read_bytes()


def test_the_zip_is_within_lambdas_limits_and_ships_only_the_models_it_calls(local_artifact: Path) -> None:
    with zipfile.ZipFile(local_artifact) as archive:
        names = archive.namelist()
        unzipped = sum(entry.file_size for entry in archive.infolist())
    assert local_artifact.stat().st_size < ZIPPED_LIMIT_BYTES / 3
    assert unzipped < UNZIPPED_LIMIT_BYTES / 3
    models = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 3}
    assert models == {"dynamodb", "sqs"}
    assert not [name for name in names if "/tests/" in name or "/testing/" in name]


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    zips = []
    for number in range(2):
        folder = tmp_path / str(number)
        (folder / "b").mkdir(parents=True)
        files = ["a.py", "b/c.py"] if number else ["b/c.py", "a.py"]
        for name in files:
            (folder / name).write_text(name)
            os.utime(folder / name, (number * 1_000_000, number * 1_000_000))
        target = tmp_path / f"{number}.zip"
        assert write_archive(folder, target) == len("a.py" + "b/c.py")
        zips.append(target.read_bytes())
    assert zips[0] == zips[1]


@pytest.mark.parametrize(
    ("zipped", "unzipped", "form"),
    [(ZIPPED_LIMIT_BYTES + 1, 0, "zipped"), (0, UNZIPPED_LIMIT_BYTES + 1, "unzipped")],
)
def test_what_lambda_would_refuse_is_refused_here(zipped: int, unzipped: int, form: str) -> None:
    with pytest.raises(ArtifactError, match=f" {form} and Lambda takes"):
        check_size(zipped=zipped, unzipped=unzipped)
    check_size(zipped=ZIPPED_LIMIT_BYTES, unzipped=UNZIPPED_LIMIT_BYTES)


def test_another_lock_gives_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = artifact._content_hash(LOCAL, compiled=True)
    assert before == artifact._content_hash(LOCAL, compiled=True)
    assert before != artifact._content_hash(LOCAL, compiled=False)
    assert before != artifact._content_hash(TARGETS["arm64"], compiled=True)
    changed = tmp_path / "requirements.lock"
    changed.write_text(LOCK.read_text() + "\n")
    monkeypatch.setattr(artifact, "LOCK", changed)
    monkeypatch.setattr(artifact, "PROJECT", Path("/"))
    assert before != artifact._content_hash(LOCAL, compiled=True)


def test_without_an_interpreter_of_the_target_it_says_what_that_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(_: Target, stage: Path) -> None:
        stage.mkdir()

    monkeypatch.setattr(artifact, "find_interpreter", lambda _: None)
    monkeypatch.setattr(artifact, "_install_dependencies", install)
    built = build_artifact(TARGETS["x86_64"], tmp_path)
    assert "no Python 3.13 was found, so the x86_64 zip holds no bytecode" in capsys.readouterr().err
    with zipfile.ZipFile(built) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]


def test_a_failed_installation_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("pydantic==2.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(artifact, "LOCK", lock)
    monkeypatch.setattr(artifact, "PROJECT", Path("/"))
    with pytest.raises(ArtifactError, match="could not be installed"):
        build_artifact(LOCAL, tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []


def test_interpreters_are_told_apart_by_asking_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_interpreter(LOCAL.python) == Path(sys.executable)
    liar = tmp_path / "python9.9"
    liar.write_text("#!/bin/sh\necho 3.11\n")
    liar.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_interpreter("9.9") is None


def test_the_targets_are_lambdas() -> None:
    assert set(TARGETS) == {"x86_64", "arm64", "local"}
    assert all(tag.endswith("aarch64") for tag in TARGETS["arm64"].platforms)
    assert {TARGETS["arm64"].python, TARGETS["x86_64"].python} == {"3.13"}


@pytest.mark.timeout(180)
def test_the_zip_for_lambda_holds_what_its_cpu_and_python_run() -> None:
    with zipfile.ZipFile(build_artifact(TARGETS["arm64"], artifact.PROJECT / "dist")) as archive:
        names = archive.namelist()
    compiled = [name for name in names if name.endswith(".so")]
    assert compiled
    assert [name for name in compiled if "cpython-313-aarch64" not in name and "abi3" not in name] == []
    bytecode = {name.rsplit(".", 2)[-2] for name in names if name.endswith(".pyc")}
    assert bytecode == ({"cpython-313"} if find_interpreter("3.13") else set())
