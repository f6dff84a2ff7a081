"""Environments: a stack is what its file says, whatever was typed before."""

import json
from pathlib import Path

import pytest

from cloudformation.build import build_template
from cloudformation.delivery.environments import FOLDER, RELEASED, EnvironmentFileError, load_environment
from cloudformation.delivery.steps import main
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document

SHIPPED = sorted(file.stem for file in FOLDER.glob("*.toml"))


def written(folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return str(folder / "mine.toml")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_template_takes_every_environment_there_is(whole: Document, name: str) -> None:
    environment = load_environment(name)
    evaluation = Evaluation(template=whole, parameters=environment.parameters)
    for title, parameter in whole["Parameters"].items():
        if title not in RELEASED and "AllowedValues" in parameter:
            assert environment.parameters[title] in [str(value) for value in parameter["AllowedValues"]]
    assert evaluation.refusals() == []


def test_the_rules_are_read(whole: Document) -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    contradiction = defaults | {"Workers": "100", "GatewayCapacity": "50", "MonthlyBudgetDollars": "9"}
    found = Evaluation(template=whole, parameters=contradiction).refusals()
    assert [sentence.partition(":")[0] for sentence in found] == [
        "MonthlyBudgetDollars needs AlarmEmail",
        "Workers exceed GatewayCapacity less SyncPayments",
    ]


def test_what_a_file_does_not_name_is_the_default_and_a_release_is_left_alone(tmp_path: Path) -> None:
    environment = load_environment(written(tmp_path, 'stack = "s"\n[parameters]\nWorkers = 5\nRetainData = false\n'))
    assert environment.stack == "s"
    assert environment.parameters["Workers"] == "5"
    assert environment.parameters["RetainData"] == "false"
    assert environment.parameters["PreScale"] == "false"
    assert set(environment.parameters) == set(build_template("all").parameters) - set(RELEASED)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('stack = "s"\n[parameters]\nWorker = 5', "says Worker, which"),
        ('stack = "s"\n[parameters]\nImageTag = "v1"', "says ImageTag, which"),
        ('stack = "s"\nregion = "x"', "says region, which"),
        ("[parameters]", "needs stack"),
        ("stack = ", "mine.toml"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(EnvironmentFileError, match=sentence):
        load_environment(written(tmp_path, text))


@pytest.mark.parametrize("name", ["folder.toml", "binary.toml"])
def test_what_cannot_be_read_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(EnvironmentFileError, match=name):
        load_environment(str(tmp_path / name))


def test_a_value_that_is_refused_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, 'stack = "s"\n[parameters]\nWorkers = [5]\n')
    assert main(["deploy", "--dry-run", "--environment", file]) == 2
    assert "Workers=[5] is refused: give one of 1, 5, 20, 100." in capsys.readouterr().err


def test_an_unknown_environment_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--dry-run", "--environment", "nowhere"]) == 2
    assert "choose one of production, trial" in capsys.readouterr().err


def test_the_command_line_has_the_last_word(calls: Path) -> None:
    assert main(["deploy", "--environment", "trial", "--tag", "v2", "LogRetentionDays=7"]) == 0
    (line,) = [line for line in calls.read_text().splitlines() if line.startswith("aws cloudformation deploy")]
    assert " --stack-name flash-trial " in line
    assert " ImageTag=v2 " in line
    assert " LogRetentionDays=7 " in line
    assert " Architecture=arm64 " in line


@pytest.mark.parametrize(("running", "built"), [("x86_64", "x86_64"), ("arm64", "arm64")])
def test_a_deployment_without_an_environment_leaves_the_rest_as_it_is_and_brings_the_zip_for_its_cpu(
    calls: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: str, built: str
) -> None:
    monkeypatch.setattr(
        "cloudformation.delivery.steps.build_artifact", lambda target, _: tmp_path / f"lambda-{target.name}-abc.zip"
    )
    set_before = {"Consumer": "lambda-sqs", "Architecture": running}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in set_before.items()]
    calls.with_name("stacks").write_text(json.dumps([{"StackName": "flash-sale", "Parameters": parameters}]))
    assert main(["deploy", "PreScale=true"]) == 0
    (line,) = [line for line in calls.read_text().splitlines() if line.startswith("aws cloudformation deploy")]
    overrides = f"ArtifactBucket=made ArtifactKey=lambda-{built}-abc.zip PreScale=true"
    assert f" --parameter-overrides {overrides} --s3" in line
