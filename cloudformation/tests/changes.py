"""What an update of the stack does to its resources, by the create-only properties of the resource schemas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Titles of resources, by what becomes of them."""

    replaced: frozenset[str]
    removed: frozenset[str]
    updated: frozenset[str]


def changes(before: dict[str, Document], after: dict[str, Document]) -> Changes:
    """What becomes of the resources of `before` when the stack is updated to `after`."""
    both = before.keys() & after.keys()
    replaced: set[str] = set()
    # Whatever names a replaced resource names another one from then on, which may replace it in turn.
    while found := {t for t in both - replaced if is_replaced(before[t], _renamed(after[t], replaced))}:
        replaced |= found
    updated = {title for title in both - replaced if before[title] != _renamed(after[title], replaced)}
    return Changes(
        replaced=frozenset(replaced), removed=frozenset(before.keys() - after.keys()), updated=frozenset(updated)
    )


def is_replaced(before: Document, after: Document) -> bool:
    """Whether one of the properties differs that only a creation can set."""
    return any(
        list(_at(before.get("Properties", {}), path)) != list(_at(after.get("Properties", {}), path))
        for path in create_only(before["Type"])
    )


@cache
def create_only(kind: str) -> tuple[tuple[str, ...], ...]:
    """The paths of a kind's create-only properties."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))
    return tuple(tuple(path.split("/")[2:]) for path in paths)


def _at(value: Any, path: tuple[str, ...]) -> Iterator[object]:  # noqa: ANN401  # any part of a template
    if not path:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _at(item, path[1:] if path[0] == "*" else path)
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _renamed(value: Any, titles: set[str]) -> Any:  # noqa: ANN401  # any part of a template
    """The same with every reference to one of these resources made a reference to its successor."""
    if isinstance(value, list):
        return [_renamed(item, titles) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("Ref") in titles:
        return {"Ref": f"{value['Ref']}, new"}
    if value.keys() == {"Fn::GetAtt"} and value["Fn::GetAtt"][0] in titles:
        return {"Fn::GetAtt": [f"{value['Fn::GetAtt'][0]}, new", *value["Fn::GetAtt"][1:]]}
    if value.keys() == {"Fn::Sub"}:
        text, given = value["Fn::Sub"]
        named = re.sub(r"\$\{(\w+)", lambda found: found[0] + (", new" if found[1] in titles else ""), text)
        return {"Fn::Sub": [named, _renamed(given, titles)]}
    return {key: _renamed(item, titles) for key, item in value.items()}
