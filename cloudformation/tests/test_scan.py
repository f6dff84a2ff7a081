"""What the registry found in the pushed images."""

import json
from pathlib import Path

import pytest

from cloudformation.delivery.steps import main


@pytest.fixture
def found(calls: Path) -> Path:
    """The file of what the registry finds in every image."""
    answer = calls.with_name("severities")
    fake = calls.with_name("aws")
    fake.write_text(
        fake.read_text().replace('case "$*" in\n', f'case "$*" in *describe-image-scan-findings*) cat {answer} ;;\n')
    )
    return answer


def test_images_without_serious_weaknesses_may_be_deployed(
    found: Path, calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found.write_text(json.dumps({"LOW": 3, "MEDIUM": 1}))
    assert main(["scan", "--tag", "v1"]) == 0
    assert "order-api: 3 low, 1 medium\n" in capsys.readouterr().out
    waited = [line for line in calls.read_text().splitlines() if "ecr wait" in line]
    assert waited == [
        f"aws ecr wait image-scan-complete --repository-name {name} --image-id imageTag=v1"
        for name in ("api", "processor", "gateway")
    ]


@pytest.mark.parametrize("severity", ["CRITICAL", "HIGH"])
def test_an_image_with_a_serious_weakness_stands_in_the_way(
    found: Path, capsys: pytest.CaptureFixture[str], severity: str
) -> None:
    found.write_text(json.dumps({severity: 1}))
    assert main(["scan", "--tag", "v1"]) == 1
    assert f"1 {severity.lower()}" in capsys.readouterr().err


def test_nothing_found_is_said_so(found: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found.write_text("null")
    assert main(["scan", "--tag", "v1"]) == 0
    assert "payment-gateway: nothing known" in capsys.readouterr().out
