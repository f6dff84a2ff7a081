import json
from collections.abc import Callable
from pathlib import Path

import pytest
from troposphere import Template

from cloudformation import rendering
from cloudformation.build import build_template, render_template
from cloudformation.loops import fold, unfold
from cloudformation.rendering import INLINE_LIMIT_BYTES, WARN_ABOVE_BYTES, Part, compact_json, main
from cloudformation.snapshot import SNAPSHOT


def run(*arguments: str, build: Callable[[Part], Template] = build_template) -> int:
    return main(arguments, build=build)


def test_the_whole_stack_needs_no_bucket() -> None:
    assert len(render_template("all").encode()) < INLINE_LIMIT_BYTES


@pytest.mark.parametrize("part", ["all", "pipeline"])
def test_the_same_tree_gives_the_same_bytes(part: Part) -> None:
    assert render_template(part) == render_template(part)


def test_the_default_is_the_whole_stack_as_compact_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr().out
    assert printed == render_template("all")
    assert compact_json(json.loads(printed)) == printed


def test_a_part_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--part", "pipeline", "-o", str(tmp_path / "p.json")) == 0
    document = json.loads((tmp_path / "p.json").read_text())
    assert "Topic" in document["Resources"]
    assert "Vpc" not in document["Resources"]
    assert capsys.readouterr().out == ""


def test_yaml_is_the_same_template_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "yaml", "--part", "pipeline") == 0
    text = capsys.readouterr().out
    assert text.startswith("AWSTemplateFormatVersion: '2010-09-09'")
    assert "Fn::ForEach" not in text


def test_a_wrong_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--part", "some")
    assert "invalid choice: 'some'" in capsys.readouterr().err


def test_near_the_limit_the_build_warns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--part", "pipeline") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(rendering, "WARN_ABOVE_BYTES", 1000)
    assert run("--part", "pipeline") == 0
    assert "needs --s3-bucket" in capsys.readouterr().err
    assert WARN_ABOVE_BYTES < INLINE_LIMIT_BYTES


def test_loops_say_the_same_as_the_resources_written_out() -> None:
    plain = json.loads(json.dumps(build_template("all").to_dict()))
    folded = fold(plain)
    assert len(compact_json(folded)) < len(compact_json(plain))
    assert any(title.startswith("Fn::ForEach::") for title in folded["Resources"])
    assert unfold(folded) == plain


def test_a_small_template_has_no_loops() -> None:
    assert "Fn::ForEach" not in render_template("pipeline")


@pytest.mark.parametrize(
    "resources",
    [
        # differing names of other resources are left alone
        {f"Route{n}": {"Type": "R", "Properties": {"Table": {"Ref": f"Table{n}"}, "Pad": "x" * 200}} for n in "ab"},
        # a condition cannot come from a map
        {f"Route{n}": {"Type": "R", "Condition": f"Has{n}", "Properties": {"Pad": "x" * 200}} for n in "ab"},
        # an index that depends on the loop fails the real transform
        {f"Route{n}": {"Type": "R", "Zone": {"Fn::Select": [n, ["x", "y"]]}, "Pad": "x" * 200} for n in range(2)},
        # alike but of another type
        {f"Route{n}": {"Type": f"R{n}", "Properties": {"Pad": "x" * 200}} for n in "ab"},
    ],
)
def test_what_a_loop_cannot_say_is_written_out(resources: dict[str, object]) -> None:
    template = {"Resources": resources, "Mappings": {}}
    assert fold(template) == template


@pytest.mark.parametrize(
    "resources",
    [
        {f"My{n}Queue": {"Type": "Q", "Properties": {"Size": n, "Pad": "x" * 200}} for n in range(3)},
        {
            f"{n}Queue": {
                "Type": "Q",
                "Properties": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{n}-q"}, "Pad": "x" * 300},
            }
            for n in ("Work", "Dead", "Lost")
        },
    ],
)
def test_what_differs_in_plain_values_becomes_a_loop(resources: dict[str, object]) -> None:
    template = {"Resources": resources, "Mappings": {"Other": {"a": {"b": 1}}}}
    folded = fold(template)
    assert [title for title in folded["Resources"] if not title.startswith("Fn::ForEach::")] == []
    assert unfold(folded) == template


def test_loops_use_nothing_that_the_real_transform_has_refused() -> None:
    folded = fold(json.loads(json.dumps(build_template("all").to_dict())))
    loops = {title: body for title, body in folded["Resources"].items() if title.startswith("Fn::ForEach::")}
    for title, (variable, collection, bodies) in loops.items():
        assert all(each.isalnum() for each in collection), title
        for key, body in bodies.items():
            assert f"${{{variable}}}" in key, "the name of each resource holds the variable"
            # In values it would stay as it stands (plain) or has failed beside a pseudo parameter (Fn::Sub).
            assert f"${{{variable}}}" not in json.dumps(body), title
            assert '"Fn::Select": [{' not in json.dumps(body), title
            assert isinstance(body.get("Condition", ""), str), title
    names = {title.removeprefix("Fn::ForEach::") for title in loops}
    assert not names & (set(folded["Resources"]) | set(folded["Parameters"]))


def test_the_whole_template_is_as_it_was() -> None:
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    actual = json.loads(json.dumps(build_template("all").to_dict()))
    assert actual == expected, "run `python -m cloudformation.snapshot` and read the difference it makes"
