"""The linters: cfn-lint in three regions, checkov, hadolint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudformation.build import render_template
from cloudformation.delivery.artifact import PROJECT
from cloudformation.rendering import Part
from cloudformation.tests.accepted_findings import ACCEPTED, with_skips

BUCKET = PROJECT / "cloudformation" / "bucket.yaml"
REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")


def cfn_lint(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", *REGIONS, "--", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # of our own environment


@pytest.mark.parametrize("part", ["all", "pipeline"])
def test_cfn_lint_finds_nothing_in_three_regions(tmp_path: Path, part: Part) -> None:
    (tmp_path / "template.json").write_text(render_template(part))
    linted = cfn_lint(tmp_path / "template.json")
    assert (linted.returncode, linted.stdout) == (0, "")


def test_cfn_lint_finds_nothing_in_the_bucket() -> None:
    linted = cfn_lint(BUCKET)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_cfn_lint_would_find_a_mistake(tmp_path: Path, pipeline: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(pipeline))
    broken["Resources"]["Queue"]["Properties"]["DelaySeconds"] = 9999
    (tmp_path / "template.json").write_text(json.dumps(broken))
    assert "9999" in cfn_lint(tmp_path / "template.json").stdout


def checkov(program: str, file: Path) -> dict[str, list[dict[str, Any]]]:
    command = [program, "--framework", "cloudformation", "--skip-download", "--output", "json", "--file", file.name]
    scanned = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)  # noqa: S603  # of our own environment
    results: dict[str, list[dict[str, Any]]] = json.loads(scanned.stdout)["results"]
    return results


def test_checkov_fails_nothing_and_skips_only_with_a_reason(
    tmp_path: Path, whole: dict[str, Any], checkov_command: str
) -> None:
    (tmp_path / "template.json").write_text(json.dumps(with_skips(whole), indent=1))
    results = checkov(checkov_command, tmp_path / "template.json")
    failed = [(finding["check_id"], finding["resource"]) for finding in results["failed_checks"]]
    assert failed == []
    assert len(results["passed_checks"]) > 50
    skipped = {(finding["resource"].rpartition(".")[2], finding["check_id"]) for finding in results["skipped_checks"]}
    assert skipped == {(title, check) for title, checks in ACCEPTED.items() for check in checks}
    assert all(reason for checks in ACCEPTED.values() for reason in checks.values())


def test_checkov_fails_nothing_in_the_bucket(checkov_command: str) -> None:
    results = checkov(checkov_command, BUCKET)
    assert results["failed_checks"] == []
    assert len(results["passed_checks"]) > 5


def test_hadolint_finds_nothing_in_the_dockerfiles(hadolint_command: str) -> None:
    files = sorted(str(file) for file in PROJECT.glob("services/*/Dockerfile"))
    assert len(files) == 3
    done = subprocess.run(  # noqa: S603  # the linter of our own environment
        [hadolint_command, "--no-color", *files], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
