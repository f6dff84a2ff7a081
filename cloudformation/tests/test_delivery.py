"""The steps from this tree to a stack: their dry runs, and their runs against tools that write down what they get."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from cloudformation.delivery import steps
from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.steps import INTERRUPTED, main


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("step", ["images", "push", "changes", "deploy", "destroy"])
def test_a_dry_run_prints_what_it_would_do_and_calls_nothing(
    calls: Path, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    assert main([step, "--dry-run", "--tag", "v1"]) == 0
    lines = printed(capsys)
    assert lines
    pipe = f"{sys.executable} -m cloudformation.build | cloudformation/deploy "
    assert all(line.startswith(("docker ", "aws ", pipe)) for line in lines)
    assert not calls.exists()


def test_images_are_built_for_the_chosen_cpu(calls: Path) -> None:
    assert main(["images", "--tag", "v1", "--architecture", "x86_64"]) == 0
    lines = calls.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "docker buildx build --platform linux/amd64 --load"
        " --file services/Dockerfile --build-arg SERVICE=order-api --tag order-api:v1 ."
    )


def test_push_goes_to_the_stacks_own_repositories(calls: Path) -> None:
    assert main(["push", "--tag", "v1"]) == 0
    lines = calls.read_text().splitlines()
    assert "docker login --username AWS --password-stdin 1.dkr.example" in lines
    assert "docker push 1.dkr.example/processor:v1" in lines


def deployment(calls: Path) -> str:
    """The one call that deploys the stack."""
    (line,) = [line for line in calls.read_text().splitlines() if line.startswith("aws cloudformation deploy")]
    return line


def test_deploy_passes_parameters_on(calls: Path) -> None:
    assert main(["deploy", "--tag", "v1", "--stack", "s", "Workers=5"]) == 0
    assert " --stack-name s --parameter-overrides ImageTag=v1 Workers=5 --s3" in deployment(calls)


def test_the_template_goes_through_the_bucket_of_the_account_or_another(calls: Path) -> None:
    assert main(["deploy"]) == 0
    assert "--s3-bucket made --s3-prefix templates" in deployment(calls)
    calls.unlink()
    assert main(["deploy", "--s3-bucket", "mine"]) == 0
    assert "--s3-bucket mine" in deployment(calls)
    assert "BucketName" not in calls.read_text()


@pytest.mark.parametrize(
    ("arguments", "bucket"),
    [([], "made"), (["--s3-bucket", "mine"], "mine"), (["ArtifactBucket=other"], "other")],
)
def test_a_function_is_uploaded_under_the_name_of_its_content(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], bucket: str
) -> None:
    monkeypatch.setattr(steps, "build_artifact", lambda target, _: tmp_path / f"lambda-{target.name}-abc.zip")
    assert main(["deploy", "Consumer=lambda", *arguments]) == 0
    lines = calls.read_text().splitlines()
    upload = f"aws s3 cp {tmp_path}/lambda-arm64-abc.zip s3://{bucket}/lambda-arm64-abc.zip"
    assert lines.index(upload) < lines.index(deployment(calls))
    assert f"ArtifactBucket={bucket} ArtifactKey=lambda-arm64-abc.zip" in deployment(calls)


def test_a_bucket_that_cannot_be_made_stops_the_deployment(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "build_artifact", lambda *_: Path("lambda.zip"))
    fake = calls.with_name("aws")
    fake.write_text(fake.read_text().replace("echo made", "exit 1"))
    assert main(["deploy", "Consumer=lambda"]) == 1
    assert "cloudformation/bucket failed" in capsys.readouterr().err
    assert "deploy --stack-name flash-sale " not in calls.read_text()


def test_the_first_failure_stops_the_step(
    calls: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "buildx")
    assert main(["images", "--tag", "v1"]) == 1
    assert "failed with exit code 1" in capsys.readouterr().err
    assert len(calls.read_text().splitlines()) == 1


def test_a_missing_tool_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["images", "--tag", "v1"]) == 1
    assert "docker is not installed" in capsys.readouterr().err


def test_an_interruption_is_a_sentence_and_lets_the_tool_clean_up(calls: Path) -> None:
    # Who has read all its input is being waited for; it then takes longer than Python itself waits.
    login = f"cat >/dev/null; kill -INT $PPID; sleep 0.5; echo cleaned >>{calls}; exit"
    calls.with_name("docker").write_text(f"#!/bin/sh\n{login}\n")
    command = [sys.executable, "-m", "cloudformation.delivery", "push", "--tag", "v1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)  # noqa: S603  # our own
    assert done.returncode == INTERRUPTED
    assert done.stderr == "interrupted: what AWS was told already goes on there (make status)\n"
    assert calls.read_text().endswith("\ncleaned\n")


@pytest.mark.parametrize(("answer", "code"), [("flash-sale\n", 0), ("yes\n", 1), ("", 1)])
def test_destroy_asks_for_the_name_of_the_stack(
    calls: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["destroy"]) == code
    assert ("delete-stack" in calls.read_text()) == (code == 0)


def test_what_is_no_parameter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", "--dry-run", "Workers"])
    assert "not NAME=VALUE: Workers" in capsys.readouterr().err
