"""Writes alike resources as one loop, so that the template stays below what CloudFormation takes inline.

The modules say every resource in full. `fold` finds those of one type that differ only in their names and in plain
values, and writes them as `Fn::ForEach` over their logical ids, with a map of what differs. `unfold` is its inverse:
a test holds `unfold(fold(template)) == template`, and the checks read the unfolded template.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

Json = Any
# Where intrinsic functions are not allowed, or name what must exist before the loop is written out. An index that
# depends on the loop fails the real transform (cfn-language-discussion 166).
_LITERAL_KEYS = frozenset(
    {"Type", "Condition", "DependsOn", "Ref", "Fn::GetAtt", "Fn::If", "Fn::FindInMap", "Fn::Select"}
)
_VARIABLE = "Each"
# Written out in the names of resources alone: in plain values CloudFormation leaves it as it stands.
_PLACE = "${Each}"
_LOOP = "Fn::ForEach::"


class _DifferentError(Exception):
    """Resources that no loop can write."""


def fold(template: Mapping[str, Json]) -> dict[str, Json]:
    """The same template with alike resources written as loops, wherever that is shorter."""
    resources: dict[str, Json] = dict(template["Resources"])
    mappings: dict[str, Json] = dict(template.get("Mappings", {}))
    for name, titles in sorted(_families(resources).items()):
        start, end = _common_words(titles)
        # What differs in the names is what the loop is over.
        members = {title[len(start) : len(title) - len(end)]: resources[title] for title in titles}
        if not all(each.isalnum() for each in members):
            continue
        table: dict[str, dict[str, Json]] = {each: {} for each in members}
        try:
            body = _merge(members, name, table, literal=False)
        except _DifferentError:
            continue
        loop = {_LOOP + name: [_VARIABLE, list(members), {f"{start}{_PLACE}{end}": body}]}
        columns = {name: table} if any(table.values()) else {}
        if _size(loop) + _size(columns) < _size({title: resources[title] for title in titles}):
            resources = {title: body for title, body in resources.items() if title not in titles} | loop
            mappings |= columns
    return {**template, "Resources": resources, "Mappings": mappings}


def unfold(template: Mapping[str, Json]) -> dict[str, Json]:
    """The same template with every loop written out, as CloudFormation does before it deploys."""
    resources: dict[str, Json] = {}
    mappings = dict(template["Mappings"])
    for title, resource in template["Resources"].items():
        if not title.startswith(_LOOP):
            resources[title] = resource
            continue
        name = title.removeprefix(_LOOP)
        variable, titles, bodies = resource
        for each in titles:
            written = json.loads(json.dumps(bodies).replace(f"${{{variable}}}", each))
            resources |= {key: _look_up(body, name, each, mappings) for key, body in written.items()}
        mappings.pop(name, None)
    return {**template, "Resources": resources, "Mappings": mappings}


def _families(resources: Mapping[str, Json]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = defaultdict(list)
    for title, resource in sorted(resources.items()):
        shape = json.dumps(_shape(resource), sort_keys=True)
        families[shape].append(title)
    alike = [titles for titles in families.values() if len(titles) > 1]
    names: dict[str, list[str]] = {}
    for titles in alike:
        kind = resources[titles[0]]["Type"].split("::")[-1]
        names[f"{kind}s{sum(name.startswith(kind) for name in names)}"] = titles
    return names


def _shape(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: item if key == "Type" else _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return None


def _merge(members: Mapping[str, Json], name: str, values: dict[str, dict[str, Json]], *, literal: bool) -> Json:
    items = list(members.values())
    first = items[0]
    if all(item == first for item in items):
        return first
    if isinstance(first, dict):
        if list(first) == ["Fn::Sub"] and isinstance(first["Fn::Sub"], str):
            return _merge_texts({title: item["Fn::Sub"] for title, item in members.items()}, name, values)
        return {
            key: _merge(
                {title: item[key] for title, item in members.items()},
                name,
                values,
                literal=literal or key in _LITERAL_KEYS,
            )
            for key in first
        }
    if isinstance(first, list):
        return [
            _merge({title: item[index] for title, item in members.items()}, name, values, literal=literal)
            for index in range(len(first))
        ]
    if literal:
        raise _DifferentError
    return _from_map(members, name, values)


def _merge_texts(members: Mapping[str, str], name: str, values: dict[str, dict[str, Json]]) -> Json:
    """Texts that differ in one stretch between the same beginning and end."""
    texts = list(members.values())
    start = _common_start(texts)
    start = start[: start.rfind("${")] if start.count("${") > start.count("}") else start
    rest = [text[len(start) :] for text in texts]
    end = _common_start([text[::-1] for text in rest])[::-1]
    parts = {title: text[: len(text) - len(end)] for title, text in zip(members, rest, strict=True)}
    if any("${" in part or "}" in part for part in parts.values()):
        raise _DifferentError
    # Joined, not substituted: a substitution that names both the loop's variable and a pseudo parameter has failed the
    # real transform (cfn-language-discussion 151).
    around = [{"Fn::Sub": text} if "${" in text else text for text in (start, end)]
    pieces = [around[0], _from_map(parts, name, values), around[1]]
    return {"Fn::Join": ["", [piece for piece in pieces if piece]]}


def _common_words(titles: list[str]) -> tuple[str, str]:
    """The words that all titles begin and end with."""
    start = _common_start(titles)
    while start and any(title[len(start) :][:1].islower() for title in titles):
        start = start[:-1]
    end = _common_start([title[len(start) :][::-1] for title in titles])[::-1]
    while end and not end[0].isupper():
        end = end[1:]
    return start, end


def _common_start(texts: list[str]) -> str:
    first, last = min(texts), max(texts)
    length = next((n for n, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]


def _from_map(members: Mapping[str, Json], name: str, values: dict[str, dict[str, Json]]) -> Json:
    column = next(
        (key for key in values[next(iter(members))] if all(values[t][key] == item for t, item in members.items())),
        None,
    )
    if column is None:
        column = f"V{len(values[next(iter(members))])}"
        for title, item in members.items():
            values[title][column] = item
    return {"Fn::FindInMap": [name, {"Ref": _VARIABLE}, column]}


def _look_up(value: Json, name: str, each: str, mappings: Mapping[str, Json]) -> Json:
    if isinstance(value, dict):
        cell = value.get("Fn::FindInMap")
        if cell is not None and cell[0] == name:
            return mappings[name][each][cell[2]]
        found = {key: _look_up(item, name, each, mappings) for key, item in value.items()}
        if "Fn::Join" in value and found != value:
            pieces = found["Fn::Join"][1]
            return {"Fn::Sub": "".join(piece if isinstance(piece, str) else piece["Fn::Sub"] for piece in pieces)}
        return found
    if isinstance(value, list):
        return [_look_up(item, name, each, mappings) for item in value]
    return value


def _size(value: Json) -> int:
    return len(json.dumps(value, separators=(",", ":")))
