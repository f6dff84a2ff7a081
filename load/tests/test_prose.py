"""The report's templates and the code that fills them."""

import ast
import re
import string
from collections.abc import Iterator

import pytest

from load.report.prose import TEMPLATES, say, templates

NAME = r"[\"']([a-z]+\.[a-z_]+)[\"']"
HANDED_ON = "**"
CODE = sorted(TEMPLATES.parent.glob("*.py"))


def used() -> Iterator[tuple[str, set[str]]]:
    """Every name that the code says, with the names of the values that it gives; calls that hand theirs on are not."""
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                given = {word.arg or HANDED_ON for word in node.keywords}
                for name in re.findall(NAME, ast.unparse(node.args[0])):
                    if HANDED_ON not in given:
                        yield name, given


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_value_that_is_given_has_a_place_and_every_place_a_value() -> None:
    checked = list(used())
    assert len(checked) > 60
    for name, given in checked:
        question, _, sentence = name.partition(".")
        assert fields(templates()[question][sentence]) == given, name


def test_no_template_is_left_that_nobody_says() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in CODE)
    said = set(re.findall(NAME, code))
    names = {f"{question}.{sentence}" for question, sentences in templates().items() for sentence in sentences}
    assert names - said == set()


def test_a_line_of_the_file_is_no_line_of_the_sentence() -> None:
    for question, sentences in templates().items():
        for name, template in sentences.items():
            assert "\n" not in template, f"{question}.{name}"
            assert "  " not in template, f"{question}.{name}"


def test_a_value_is_put_into_its_place_and_a_missing_one_is_no_silence() -> None:
    assert say("cold.more", extra="18 ms", share="1 %") == "18 ms or 1 % more"
    with pytest.raises(KeyError, match="share"):
        say("cold.more", extra="18 ms")
