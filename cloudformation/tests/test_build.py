import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from troposphere import Template

from cloudformation.build import build_template, render_template
from cloudformation.rendering import Part, main

# What CloudFormation takes inline, and through a bucket.
INLINE_LIMIT_BYTES = 51_200
BUCKET_LIMIT_BYTES = 1_000_000
SNAPSHOT = Path(__file__).resolve().parent / "whole.snapshot.json"


def run(*arguments: str, build: Callable[[Part], Template] = build_template) -> int:
    return main(arguments, build=build)


def test_the_pipeline_needs_no_bucket_and_the_whole_stack_fits_into_one_template() -> None:
    assert len(render_template("pipeline").encode()) <= INLINE_LIMIT_BYTES
    assert len(render_template("all").encode()) <= BUCKET_LIMIT_BYTES


@pytest.mark.parametrize("part", ["all", "pipeline"])
def test_the_same_tree_gives_the_same_bytes(part: Part) -> None:
    assert render_template(part) == render_template(part)


def test_the_default_is_the_whole_stack_written_out_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr().out
    assert printed == render_template("all")
    assert set(json.loads(printed)["Resources"]) == set(build_template("all").resources)
    assert "Fn::ForEach" not in printed


def test_a_part_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--part", "pipeline", "-o", str(tmp_path / "p.json")) == 0
    document = json.loads((tmp_path / "p.json").read_text())
    assert "Topic" in document["Resources"]
    assert "Vpc" not in document["Resources"]
    assert capsys.readouterr().out == ""


def test_yaml_is_the_same_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "yaml", "--part", "pipeline") == 0
    text = capsys.readouterr().out
    assert text.startswith("AWSTemplateFormatVersion: '2010-09-09'")
    assert yaml.safe_load(text) == json.loads(render_template("pipeline"))


def test_a_wrong_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--part", "some")
    assert "invalid choice: 'some'" in capsys.readouterr().err


def test_the_whole_template_is_as_it_was() -> None:
    expected = SNAPSHOT.read_text(encoding="utf-8")
    assert render_template("all") == expected, "run `make snapshot` and read the difference it makes"
