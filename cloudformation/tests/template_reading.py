"""What the tests of the template find their way in it with."""

import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def of_kind(template: Document, kind: str) -> dict[str, Document]:
    found = {t: r["Properties"] for t, r in template["Resources"].items() if r["Type"] == kind}
    assert found, f"no {kind} in the template"
    return found


def walk(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def container(template: Document, title: str) -> Document:
    (only,) = of_kind(template, "AWS::ECS::TaskDefinition")[title]["ContainerDefinitions"]
    found: Document = only
    return found


def named(value: object) -> set[str]:
    """The titles that a value names, by Ref, by an attribute, or within a text."""
    found: set[str] = set()
    for part in walk(value):
        if isinstance(part, dict):
            found |= {part["Ref"]} if isinstance(part.get("Ref"), str) else set()
            found |= {part["Fn::GetAtt"][0]} if "Fn::GetAtt" in part else set()
            found |= set(re.findall(r"\$\{(\w+)[.}]", str(part.get("Fn::Sub", ""))))
    return {title for title in found if "::" not in title}
