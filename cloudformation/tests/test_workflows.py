"""The workflows on GitHub: sound, with no more rights than they need, and by commands that there are."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.environments import FOLDER

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    text = (PROJECT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    # BaseLoader: `on` is a word here, and no yes.
    document: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # makes nothing but text
    return document


def test_zizmor_finds_nothing(zizmor_command: str) -> None:
    audited = subprocess.run(  # noqa: S603  # of our own environment
        [zizmor_command, "--offline", "--quiet", "--no-progress", str(PROJECT / ".github")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert audited.returncode == 0, audited.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.stem))
def test_a_workflow_runs_commands_that_there_are(file: Any) -> None:  # noqa: ANN401  # a path
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    document = workflow(file.stem)
    runs = [step["run"] for job in document["jobs"].values() for step in job.get("steps", ()) if "run" in step]
    named = {name for run in runs for name in re.findall(r"\bmake (?:-s )?([a-z-]+)", run)}
    assert named <= targets
    assert named or runs == [".ci/run"]


def test_environments_of_the_workflow_are_files_and_follow_each_other() -> None:
    jobs = workflow("deliver")["jobs"]
    promoted = {title: job for title, job in jobs.items() if job.get("uses", "").endswith("/environment.yml")}
    assert {title: (job["with"]["environment"], job["needs"]) for title, job in promoted.items()} == {
        "trial": ("trial", "images"),
        "production": ("production", "trial"),
    }
    assert {file.stem for file in FOLDER.glob("*.toml")} == set(promoted)


def test_an_image_is_scanned_before_it_is_deployed() -> None:
    (job,) = workflow("environment")["jobs"].values()
    steps = [step["run"].split()[1] for step in job["steps"] if step.get("run", "").startswith("make")]
    assert [step for step in steps if step in {"push", "scan", "deploy"}] == ["push", "scan", "deploy"]


def test_a_role_is_for_pull_requests_or_for_one_environment_of_one_repository() -> None:
    text = (PROJECT / "cloudformation" / "github.yaml").read_text(encoding="utf-8")
    subjects = re.findall(r'actions.githubusercontent.com:sub: !Sub "(.+)"', text)
    assert subjects == ["repo:${Repository}:pull_request", "repo:${Repository}:environment:${Environment}"]
    assert text.count("token.actions.githubusercontent.com:aud: sts.amazonaws.com") == len(subjects)
    assert "StringLike" not in text
