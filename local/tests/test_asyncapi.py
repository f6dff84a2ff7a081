"""The committed AsyncAPI document is the events', a valid one, and takes what is published."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from flashmsg import OUTCOME_TYPES, OrderPlaced, encode
from flashpay import Approved, Claimed, Retention, outcome_of
from flashpay.testing import MemoryLedger, sample_order
from local.asyncapi import asyncapi, asyncapi_text

PROJECT = Path(__file__).resolve().parent.parent.parent
SPECIFICATION = PROJECT / "tests" / "asyncapi" / "schema-3.0.0.json"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    """The specification's own schema."""
    return Draft7Validator(json.loads(SPECIFICATION.read_text(encoding="utf-8")))


def test_the_committed_document_is_that_of_the_events() -> None:
    committed = (PROJECT / "docs" / "asyncapi.json").read_text(encoding="utf-8")
    assert committed == asyncapi_text(), "python -m local.asyncapi > docs/asyncapi.json"


def test_the_document_is_valid_asyncapi(validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(asyncapi())] == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("asyncapi",), "2.0.0"),
        (("info", "title"), None),
        (("operations", "tellOutcome", "action"), "publish"),
        (("components", "messages", "orderCompleted", "payload"), 7),
    ],
)
def test_the_schema_tells_a_wrong_document(validator: Draft7Validator, path: tuple[str, ...], wrong: object) -> None:
    document = asyncapi()
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = wrong
    assert not validator.is_valid(document)


def _references(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi()
    references = set(_references(document))
    assert references
    for reference in references:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_kind_of_event_is_a_message_of_its_channel() -> None:
    document = asyncapi()
    names = {name: message["name"] for name, message in document["components"]["messages"].items()}
    of_outcomes = {names[name] for name in document["channels"]["outcomes"]["messages"]}
    assert of_outcomes == set(OUTCOME_TYPES)
    assert set(document["channels"]["orders"]["messages"]) == {"orderPlaced"}


async def _published() -> Mapping[str, str]:
    order, ledger = sample_order(), MemoryLedger(retention=Retention(announced=True))
    claim = await ledger.claim(order, owner="worker", lease=timedelta(0))
    assert isinstance(claim, Claimed)
    recorded = await ledger.record(claim, Approved(charge_id="ch"))
    return {"orderPlaced": encode(OrderPlaced.of(order)), "orderCompleted": encode(outcome_of(recorded.entry))}


async def test_what_is_published_is_what_the_document_says() -> None:
    document, published = asyncapi(), await _published()
    for name in published:
        payload = document["components"]["messages"][name]["payload"]
        schema = {**payload, "components": document["components"]}
        for other, text in published.items():
            assert Draft202012Validator(schema).is_valid(json.loads(text)) is (other == name)
