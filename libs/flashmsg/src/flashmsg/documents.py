"""Strict JSON: what RFC 8259 leaves open, and readers therefore understand differently, is refused.

pydantic refuses bad UTF-8 and huge integers by itself, but takes the last of two equal keys and lets NaN pass
where nothing looks at it. `read_document` closes that, and says where the fault is. Depth is bounded first, so
that everything behind may recurse; work and memory grow with the size of the text and no faster.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NoReturn

from pydantic import ValidationError

from flashmsg.errors import FieldError, MalformedMessageError
from flashmsg.nesting import MAX_DEPTH, too_deep

_MAX_DIGITS = 20
_MAX_ERRORS = 20
_MAX_KEY_LENGTH = 64
_MAX_DEPTH_SHOWN = 16
_NOT_JSON = FieldError(loc=(), message="Invalid JSON")
_TOO_DEEP = FieldError(loc=(), message=f"Nested too deeply: at most {MAX_DEPTH} levels")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Object(list[tuple[str, object]]):
    """An object as its pairs, so that equal keys stay apart."""


class _Fault:
    def __init__(self, message: str) -> None:
        self.message: Final = message


class _NotStrictError(ValueError):
    """It is not strict; `faults` says why, and where."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrictError
    return members


def _no_constant(_name: str) -> NoReturn:
    raise _NotStrictError


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_LENIENT = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_constant=lambda name: _Fault(f"{name} is not a JSON number"),
    parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else _Fault("Number out of range"),
)


def read_text(body: object) -> str:
    """Return the text of a body; raises MalformedMessageError unless it is text or UTF-8."""
    if isinstance(body, str):
        return body
    if not isinstance(body, bytes | bytearray):
        raise MalformedMessageError("The body is not text")
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        fault = FieldError(loc=(), message=f"Not UTF-8 at byte {exc.start}")
        raise MalformedMessageError("The body is not JSON", errors=[fault]) from exc


def read_document(text: str) -> object:
    """Return what the strict JSON in `text` holds; raises MalformedMessageError with the place of the fault."""
    if too_deep(text):
        raise MalformedMessageError("The body is not strict JSON", errors=[_TOO_DEEP])
    try:
        return _STRICT.decode(text)
    except ValueError as exc:
        raise MalformedMessageError("The body is not strict JSON", errors=faults(text) or [_NOT_JSON]) from exc


def faults(text: str) -> list[FieldError]:
    """Return what makes `text` no strict JSON, at most 20 faults; nothing if it is sound.

    Only for a text that is not too deep.
    """
    try:
        document = _LENIENT.decode(text)
    except json.JSONDecodeError as exc:
        return [FieldError(loc=(), message=f"Invalid JSON: {exc.msg} at line {exc.lineno} column {exc.colno}")]
    return list(islice(_walk(document, ()), _MAX_ERRORS))


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return pydantic's findings without the values that the sender wrote, at most 20."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # pydantic counts a list without its refused entries, and would call one bad line "no lines" as well
    parents = {item["loc"][:depth] for item in found for depth in range(1, len(item["loc"]))}
    return [
        FieldError(loc=_printable(item["loc"]), message=item["msg"].removeprefix("Value error, "))
        for item in found
        if not (item["type"] == "too_short" and item["loc"] in parents)
    ][:_MAX_ERRORS]


def _walk(value: object, loc: tuple[str | int, ...]) -> Iterator[FieldError]:
    if (message := _fault_of(value)) is not None:
        yield FieldError(loc=_printable(loc), message=message)
    members: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, _Object):
        yield from _key_faults(loc, value)
        members = value
    elif isinstance(value, list):
        members = enumerate(value)
    for step, member in members:
        yield from _walk(member, (*loc, step))


def _key_faults(loc: tuple[str | int, ...], members: _Object) -> Iterator[FieldError]:
    seen: set[str] = set()
    for key, _ in members:
        message = "The key is repeated" if key in seen else _fault_of(key)
        if message is not None:
            yield FieldError(loc=_printable((*loc, key)), message=message)
        seen.add(key)


def _fault_of(value: object) -> str | None:
    if isinstance(value, _Fault):
        return value.message
    if isinstance(value, str):
        if "\0" in value:
            return "Text must not contain NUL"
        if not value.isascii() and _SURROGATE.search(value):
            return "Text must not contain a lone surrogate"
    return None


def _printable(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return tuple(part if isinstance(part, int) else _key(part) for part in loc[:_MAX_DEPTH_SHOWN])


def _key(key: str) -> str:
    cut = key if len(key) <= _MAX_KEY_LENGTH else f"{key[:_MAX_KEY_LENGTH]}…"
    return cut.encode("utf-8", "backslashreplace").decode()
