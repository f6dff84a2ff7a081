"""Old and new versions of an event lie mixed in one queue: what can be read is paid, the rest kept with its reason."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from flashmsg import OrderStatus
from lambda_handler.records import QueueRecord
from lambda_handler.testing import Bench, consume
from order_processor.testing import ProcessorHarness

SHIPPED = Path(__file__).resolve().parent.parent / "libs" / "flashmsg" / "tests" / "shipped"
EVENTS = {
    path.stem: json.dumps(json.loads(path.read_text(encoding="utf-8"))["event"]) for path in SHIPPED.glob("*.json")
}
OF_EACH = 3


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The messages of a queue in any sequence: the orders in those that can be read, and why the others cannot."""

    bodies: list[str]
    order_ids: set[str]
    reasons: dict[str, str]


def _numbered(event: str, number: int) -> str:
    order_id: str = json.loads(event)["subject"]
    return event.replace(order_id, f"ord_{'abcdefghijklmnopqrstuvwxyz'[number] * 26}")


def _mixture() -> Mixture:
    newest = max(name for name in EVENTS if name.startswith("placed"))
    # A reservation is of limited stock, which is not what is looked at here.
    placed = {name: json.dumps(json.loads(EVENTS[name]) | {"reservation": None}) for name in EVENTS if "placed" in name}
    later = json.dumps(json.loads(placed[newest]) | {"loyalty": {"points": 7}})
    major = placed[newest].replace("order.placed.v1", "order.placed.v2")
    readable = [_numbered(event, n) for n, event in enumerate([*placed.values(), later] * OF_EACH)]
    reasons = {_numbered(major, n): "unsupported_version" for n in range(OF_EACH)}
    reasons |= {_numbered(EVENTS["outcome-1.0"], n): "malformed" for n in range(OF_EACH)}
    bodies = [*readable, *reasons]
    random.Random(1).shuffle(bodies)  # noqa: S311 - a sequence, no secret
    return Mixture(bodies=bodies, order_ids={json.loads(body)["subject"] for body in readable}, reasons=reasons)


async def test_the_processor_pays_what_it_can_read_and_keeps_the_rest_with_its_reason() -> None:
    mixture, processor = _mixture(), ProcessorHarness()
    for body in mixture.bodies:
        await processor.queue.send(body, attributes={})
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    entries = processor.ledger.entries
    assert {order_id for order_id, entry in entries.items() if entry.status is OrderStatus.COMPLETED} == (
        mixture.order_ids
    )
    kept = {letter.body: letter.attributes["dead_letter_reason"] for letter in processor.dead.stored.values()}
    assert kept == mixture.reasons


async def test_the_function_pays_what_it_can_read_and_keeps_the_rest_with_its_reason() -> None:
    mixture, bench = _mixture(), Bench()
    records = [
        QueueRecord(message_id=str(n), receive_count=1, record={"body": body}) for n, body in enumerate(mixture.bodies)
    ]
    outcomes = await consume(bench, *records)
    assert all(outcome.done for outcome in outcomes)
    assert {
        order_id for order_id, entry in bench.ledger.entries.items() if entry.status is OrderStatus.COMPLETED
    } == mixture.order_ids
    assert dict(bench.letters) == mixture.reasons
