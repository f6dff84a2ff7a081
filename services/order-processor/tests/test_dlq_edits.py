"""An edit mends the event of a dead letter, says whose it is, and makes no other order of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flashbus.testing import FakeQueue
from flashmsg import OrderPlaced, encode
from flashpay.testing import sample_order, sample_reservation
from order_processor.dlq.actions import Edit, NotDoneError, Redrive
from order_processor.dlq.audit_log import AuditLog, Author
from order_processor.dlq.letters import read_letter
from order_processor.dlq.walk import Walk

AUTHOR = Author(by="ada", why="a typing mistake")
ORDER = sample_order()
RESERVED = OrderPlaced.of(ORDER, reservation=sample_reservation())


@dataclass
class Shop:
    """A dead-letter queue, the way back, and the audit log."""

    folder: Path
    letters: FakeQueue = field(default_factory=FakeQueue)
    queue: FakeQueue = field(default_factory=FakeQueue)

    @property
    def audit_log(self) -> AuditLog:
        return AuditLog(path=self.folder / "audit.jsonl")

    async def edit(self, body: str) -> None:
        """Redrive what lies there with another body."""
        edit = Edit(body=body, author=AUTHOR)
        redrive = Redrive(senders={"queue": self.queue}, audit_log=self.audit_log, run="run-1", edit=edit)
        async with Walk(self.letters) as walk:
            async for message in walk.messages():
                await redrive(read_letter("given-up", message), message, walk)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def test_an_edit_sends_another_body_and_says_whose_it_is(shop: Shop) -> None:
    await shop.letters.send("no order", attributes={})
    await shop.edit("better")
    (sent,) = shop.queue.stored.values()
    assert sent.body == "better"
    assert sent.attributes["dead_letter_edited_by"] == "ada"
    assert sent.attributes["dead_letter_edited_why"] == "a typing mistake"
    (line,) = [json.loads(line) for line in shop.audit_log.path.read_text().splitlines()]
    assert (line["action"], line["by"], line["why"]) == ("edit", "ada", "a typing mistake")
    assert (line["body"], line["new_body"]) == ("no order", "better")


@pytest.mark.parametrize(
    "edited",
    [
        OrderPlaced.of(sample_order("another"), reservation=RESERVED.reservation),
        OrderPlaced.of(sample_order(quantity=1), reservation=RESERVED.reservation),
        OrderPlaced.of(sample_order(customer_id=8), reservation=RESERVED.reservation),
        OrderPlaced.of(ORDER, reservation=sample_reservation("another")),
        OrderPlaced.of(ORDER),
    ],
)
async def test_an_edit_does_not_put_another_order_in_the_place_of_one_that_can_be_read(
    shop: Shop, edited: OrderPlaced
) -> None:
    await shop.letters.send(encode(RESERVED), attributes={})
    with pytest.raises(NotDoneError, match="not what was ordered"):
        await shop.edit(encode(edited))
    assert shop.queue.stored == {}
    assert not shop.audit_log.path.exists()
    assert len(shop.letters.visible()) == len(shop.letters.stored) == 1


async def test_an_edit_may_change_what_is_not_the_customer_s(shop: Shop) -> None:
    await shop.letters.send(encode(RESERVED), attributes={})
    edited = encode(OrderPlaced.of(sample_order(unit_price_minor=1), reservation=RESERVED.reservation))
    await shop.edit(edited)
    assert [stored.body for stored in shop.queue.stored.values()] == [edited]
    assert shop.letters.stored == {}


async def test_an_edit_has_its_author_beside_it_however_many_attributes_there_are(shop: Shop) -> None:
    await shop.letters.send("no order", attributes={f"a{number}": "x" for number in range(10)})
    await shop.edit("better")
    (sent,) = shop.queue.stored.values()
    assert len(sent.attributes) == 10
    assert sent.attributes["dead_letter_edited_by"] == "ada"
