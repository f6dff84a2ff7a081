"""What the tests of the template find their way in it with."""

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
