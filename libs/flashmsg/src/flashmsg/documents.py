"""Strict JSON: what RFC 8259 leaves open, and readers therefore understand differently, is refused.

pydantic refuses bad UTF-8, deep nesting and huge integers by itself, but takes the last of two equal keys
and lets NaN pass where nothing looks at it. `read_document` closes that, and says where the fault is.
"""

import json
from collections.abc import Iterator
from typing import Final, NoReturn

from pydantic import ValidationError

from flashmsg.errors import FieldError, MalformedMessageError

_MAX_DIGITS = 20
_MAX_ERRORS = 20
_MAX_KEY_LENGTH = 64


class _Object(list[tuple[str, object]]):
    """An object as its pairs, so that equal keys stay apart."""


class _Fault:
    def __init__(self, message: str) -> None:
        self.message: Final = message


class _NotStrictError(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrictError("an object has two equal keys")
    return members


def _no_constant(name: str) -> NoReturn:
    raise _NotStrictError(f"{name} is not JSON")


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


def read_document(text: str) -> dict[str, object]:
    """Return the JSON object in `text`; raises MalformedMessageError with the place of the fault."""
    try:
        document = _STRICT.decode(text)
    except (ValueError, RecursionError) as exc:
        raise MalformedMessageError("The body is not strict JSON", errors=faults(text)) from exc
    if not isinstance(document, dict):
        raise MalformedMessageError(
            "The body is not strict JSON", errors=[FieldError(loc=(), message="Input should be an object")]
        )
    return document


def faults(text: str) -> list[FieldError]:
    """Return what makes `text` no strict JSON, at most 20 faults; nothing if it is sound."""
    try:
        document = _LENIENT.decode(text)
    except json.JSONDecodeError as exc:
        return [FieldError(loc=(), message=f"Invalid JSON: {exc.msg} at line {exc.lineno} column {exc.colno}")]
    except RecursionError:
        return [FieldError(loc=(), message="Invalid JSON: nested too deeply")]
    return [found for found, _ in zip(_walk(document), range(_MAX_ERRORS), strict=False)]


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return pydantic's findings without the values that the sender wrote, at most 20."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(loc=_printable(item["loc"]), message=item["msg"]) for item in found[:_MAX_ERRORS]]


def _walk(document: object) -> Iterator[FieldError]:
    # A stack and not recursion: the sender chooses the depth.
    stack: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while stack:
        loc, value = stack.pop()
        message = _fault_of(value)
        if message is not None:
            yield FieldError(loc=_printable(loc), message=message)
        if isinstance(value, _Object):
            seen: set[str] = set()
            for key, member in value:
                if key in seen:
                    yield FieldError(loc=_printable((*loc, key)), message="The key is repeated")
                elif (message := _fault_of(key)) is not None:
                    yield FieldError(loc=_printable((*loc, key)), message=message)
                seen.add(key)
                stack.append(((*loc, key), member))
        elif isinstance(value, list):
            stack.extend(((*loc, index), member) for index, member in enumerate(value))


def _fault_of(value: object) -> str | None:
    if isinstance(value, _Fault):
        return value.message
    if isinstance(value, str):
        if "\0" in value:
            return "Text must not contain NUL"
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            return "Text must not contain a lone surrogate"
    return None


def _printable(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return tuple(part if isinstance(part, int) else _key(part) for part in loc)


def _key(key: str) -> str:
    cut = key if len(key) <= _MAX_KEY_LENGTH else f"{key[:_MAX_KEY_LENGTH]}…"
    return cut.encode("utf-8", "backslashreplace").decode()
