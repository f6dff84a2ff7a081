"""Every version of the events that was ever shipped is read by this code, and reads what this code writes.

`shipped` keeps an event and the schema of each version, without titles and descriptions: the schema stands for the
reader of its time. A file is never changed; whoever changes an event adds the next one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flashmsg import (
    CloudEvent,
    EndedOrder,
    Order,
    OrderOutcome,
    OrderPlaced,
    OrderStatus,
    Reservation,
    UnsupportedVersionError,
    decode,
    decode_outcome,
    encode,
    json_schema,
)

SHIPPED = Path(__file__).parent / "shipped"
READERS: Mapping[str, Callable[[str], CloudEvent]] = {"placed": decode, "outcome": decode_outcome}
EVENTS: Mapping[str, type[CloudEvent]] = {"placed": OrderPlaced, "outcome": OrderOutcome}


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of one event: a message, and what its readers took."""

    kind: str
    minor: int
    event: dict[str, Any]
    schema: dict[str, Any]

    def reads(self, event: object) -> bool:
        return Draft202012Validator(self.schema).is_valid(event)


def _version(path: Path) -> Version:
    kind, _, number = path.stem.partition("-")
    major, _, minor = number.partition(".")
    assert major == "1"
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Version(kind=kind, minor=int(minor), event=kept["event"], schema=kept["schema"])


VERSIONS = [_version(path) for path in sorted(SHIPPED.glob("*.json"))]
every_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version.kind}-{version.minor}")


def _written_today(kind: str, order: Order) -> dict[str, Any]:
    """An event of this code with every field that it may have."""
    if kind == "placed":
        reservation = Reservation(id="rsv_" + "b" * 24, units={"cap": 1})
        traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        event: CloudEvent = OrderPlaced.of(order, traceparent=traceparent, reservation=reservation)
    else:
        ended = EndedOrder(
            **dict(order),
            status=OrderStatus.DECLINED,
            ended_at=order.created_at + timedelta(seconds=3),
            attempt=1,
            charge_id="ch_1",
            refund_id="re_1",
            reason="card_declined",
        )
        event = OrderOutcome.of(ended)
    wire: dict[str, Any] = json.loads(encode(event))
    return wire


def _with_more_fields(part: object) -> object:
    """What a later minor version may write: a field more in every object."""
    if isinstance(part, dict):
        return {name: _with_more_fields(value) for name, value in part.items()} | {"of_a_later_version": {"x": 1}}
    return [_with_more_fields(each) for each in part] if isinstance(part, list) else part


def _plain(part: Any) -> Any:  # noqa: ANN401 - a schema
    """A schema without its prose, which binds nobody."""
    if isinstance(part, dict):
        prose = {name for name in ("title", "description") if isinstance(part.get(name), str)}
        return {name: _plain(value) for name, value in part.items() if name not in prose}
    return [_plain(each) for each in part] if isinstance(part, list) else part


@every_version
def test_this_reader_takes_every_event_that_was_ever_shipped(version: Version) -> None:
    event = READERS[version.kind](json.dumps(version.event))
    # Read and written once more it has lost nothing.
    assert json.loads(encode(event)) == version.event


@every_version
def test_every_reader_that_was_ever_shipped_takes_what_is_written_today(version: Version, order: Order) -> None:
    assert version.reads(_written_today(version.kind, order))


@every_version
def test_every_reader_takes_what_a_later_minor_version_may_write(version: Version, order: Order) -> None:
    later = _with_more_fields(_written_today(version.kind, order))
    if version.kind == "placed":
        later = {**later, "reservation": {"id": "rsv_" + "b" * 24, "units": {"cap": 1}}}  # type: ignore[dict-item]
    assert version.reads(later)
    assert READERS[version.kind](json.dumps(later)).subject == order.order_id


@every_version
def test_no_reader_takes_another_major_version(version: Version) -> None:
    other = version.event | {"type": version.event["type"].replace(".v1", ".v2")}
    assert not version.reads(other)
    with pytest.raises(UnsupportedVersionError):
        READERS[version.kind](json.dumps(other))


@pytest.mark.parametrize("kind", EVENTS)
def test_the_newest_version_is_the_one_that_this_code_writes(kind: str) -> None:
    newest = max((version for version in VERSIONS if version.kind == kind), key=lambda version: version.minor)
    assert _plain(json_schema(EVENTS[kind])) == newest.schema, (
        f"an event changed: keep it as {kind}-1.{newest.minor + 1}"
    )


@pytest.mark.parametrize("kind", EVENTS)
def test_no_version_is_missing(kind: str) -> None:
    minors = [version.minor for version in VERSIONS if version.kind == kind]
    assert minors == list(range(len(minors)))
    assert minors
