"""The linters: cfn-lint in three regions, checkov, hadolint."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cloudformation.build import render_template
from cloudformation.delivery.artifact import PROJECT
from cloudformation.rendering import Part
from cloudformation.tests.accepted_findings import ACCEPTED, with_skips
from cloudformation.tests.dockerfile import DOCKERFILE

# Small stacks beside the one.
BESIDE = tuple(PROJECT / "cloudformation" / name for name in ("bucket.yaml", "github.yaml"))
REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")


def cfn_lint(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", *REGIONS, "--", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # of our own environment


@pytest.mark.timeout(180)
def test_cfn_lint_finds_nothing_in_three_regions(tmp_path: Path) -> None:
    parts: tuple[Part, ...] = ("all", "pipeline")
    for part in parts:
        (tmp_path / f"{part}.json").write_text(render_template(part))
    linted = cfn_lint(*(tmp_path / f"{part}.json" for part in parts), *BESIDE)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_cfn_lint_would_find_a_mistake(tmp_path: Path) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}}
    broken = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Queue": queue}}
    (tmp_path / "template.json").write_text(json.dumps(broken))
    assert "9999" in cfn_lint(tmp_path / "template.json").stdout


def checkov(program: str, *files: Path) -> dict[str, list[dict[str, Any]]]:
    command = [program, "--framework", "cloudformation", "--skip-download", "--output", "json"]
    command += [word for file in files for word in ("--file", str(file))]
    scanned = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # of our own environment
    results: dict[str, list[dict[str, Any]]] = json.loads(scanned.stdout)["results"]
    return results


@pytest.fixture(scope="module")
def findings(
    tmp_path_factory: pytest.TempPathFactory, whole: dict[str, Any], checkov_command: str
) -> dict[str, list[dict[str, Any]]]:
    """Of one run over all templates: the scanner takes longer to start than to scan."""
    file = tmp_path_factory.mktemp("scanned") / "template.json"
    file.write_text(json.dumps(with_skips(whole), indent=1))
    return checkov(checkov_command, file, *BESIDE)


def test_checkov_fails_nothing(findings: dict[str, list[dict[str, Any]]]) -> None:
    assert [(finding["check_id"], finding["resource"]) for finding in findings["failed_checks"]] == []
    passed = Counter(Path(finding["file_path"]).name for finding in findings["passed_checks"])
    assert passed["template.json"] > 50
    assert all(passed[file.name] > 5 for file in BESIDE)


def test_checkov_skips_only_with_a_reason(findings: dict[str, list[dict[str, Any]]]) -> None:
    skipped = {
        (finding["resource"].rpartition(".")[2], finding["check_id"])
        for finding in findings["skipped_checks"]
        if Path(finding["file_path"]).name == "template.json"
    }
    assert skipped == {(title, check) for title, checks in ACCEPTED.items() for check in checks}
    assert all(reason for checks in ACCEPTED.values() for reason in checks.values())


def test_hadolint_finds_nothing_in_the_dockerfile(hadolint_command: str) -> None:
    assert list(PROJECT.glob("services/**/Dockerfile")) == [DOCKERFILE]
    done = subprocess.run(  # noqa: S603  # the linter of our own environment
        [hadolint_command, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
