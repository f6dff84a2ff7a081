"""What the template refuses is said before anything is built or asked, a sentence for each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cloudformation.build import build_template
from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.given_parameters import LONGEST_STACK_NAME, refusals, stack_refusal
from cloudformation.delivery.steps import main
from cloudformation.rendering import BROKEN_PIPE

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


@pytest.mark.parametrize("step", ["preflight", "images", "changes", "deploy"])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("Worker=5", "'Worker' is no parameter of the template: Workers?"),
        ("=5", "'' is no parameter of the template, docs/deploy.md names them all."),
        ("Workers=7", "Workers=7 is refused: give one of 1, 5, 20, 100."),
        ("Architecture=riscv", "Architecture=riscv is refused: give one of arm64, x86_64."),
        ("VisibilitySeconds=5", "VisibilitySeconds=5 is refused: give a whole number from 45 to 43200."),
        ("VisibilitySeconds=60.5", "VisibilitySeconds=60.5 is refused: give a whole number from 45 to 43200."),
        ("VisibilitySeconds=long", "VisibilitySeconds=long is refused: give a whole number from 45 to 43200."),
        ("RoleArn=LabRole", "RoleArn=LabRole is refused: must be the ARN of a role without a path."),
        ("SaleStart=noon", "SaleStart=noon is refused: must be a time of UTC like 2027-11-26T08:50:00."),
    ],
)
def test_a_parameter_that_is_refused_is_named_before_anything_is_called(
    calls: Path, capsys: pytest.CaptureFixture[str], step: str, given: str, sentence: str
) -> None:
    assert main([step, given]) == 2
    assert capsys.readouterr().err == f"{sentence}\n"
    assert not calls.exists()


def test_every_sentence_is_said_at_once(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--stack", "my_shop", "--tag", "v 1", "Workers=7"]) == 2
    assert [line.partition(" ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "'my_shop'",
        "ImageTag=v",
        "Workers=7",
    ]
    assert not calls.exists()


@pytest.mark.parametrize("option", ["--stack", "--environment", "--tag", "--s3-bucket"])
def test_an_unset_variable_is_not_another_stack(calls: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["destroy", "--yes", option, ""])
    assert exit_.value.code == 2
    assert f"argument {option}: is empty" in capsys.readouterr().err
    assert not calls.exists()


@pytest.mark.parametrize("step", ["push", "scan", "destroy", "status", "logs", "targets"])
def test_a_parameter_that_a_step_does_not_set_is_refused(
    calls: Path, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([step, "--yes", "RetainData=false"])
    assert exit_.value.code == 2
    assert f"{step} sets no parameters: deploy RetainData=false first" in capsys.readouterr().err
    assert not calls.exists()


def test_the_defaults_are_taken() -> None:
    assert refusals({title: str(each.Default) for title, each in build_template("all").parameters.items()}) == []


@pytest.mark.parametrize("partition", PARTITIONS)
def test_an_arn_of_every_partition_is_taken(partition: str) -> None:
    role = f"arn:{partition}:iam::123456789012:role/LabRole"
    certificate = f"arn:{partition}:acm:cn-north-1:123456789012:certificate/x"
    assert refusals({"RoleArn": role, "CertificateArn": certificate}) == []


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("f", True),
        ("flash-2", True),
        ("2flash", False),
        ("a_b", False),
        ("", False),
        ("x" * LONGEST_STACK_NAME, True),
        ("x" * (LONGEST_STACK_NAME + 1), False),
    ],
)
def test_a_stack_has_a_name_that_aws_takes(name: str, is_taken: bool) -> None:  # noqa: FBT001  # a table's column
    assert (stack_refusal(name) is None) == is_taken


@pytest.mark.parametrize("step", ["status", "logs", "push", "scan", "targets"])
def test_a_stack_that_is_not_finished_is_said_to_be_so(
    calls: Path, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    calls.with_name("stacks").write_text(json.dumps([{"StackName": "flash-sale", "StackStatus": "CREATE_IN_PROGRESS"}]))
    assert main([step, "--tag", "v1"]) == 1
    assert "(CREATE_IN_PROGRESS): wait until it is made" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cloudformation.build"], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as build:
        assert build.stdout is not None
        assert build.stderr is not None
        build.stdout.close()
        assert build.stderr.read() == b""
    assert build.returncode == BROKEN_PIPE


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "stack.json"
    command = [sys.executable, "-m", "cloudformation.build", "-o", str(target)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert (done.returncode, done.stderr) == (1, f"{target} could not be written: No such file or directory\n")
