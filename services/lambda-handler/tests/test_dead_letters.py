import asyncio
from typing import Any

import pytest

from flashbus.queue import QueueUnavailableError
from lambda_handler.dead_letters import QueueDeadLetters
from lambda_handler.records import QueueRecord


class FakeQueue:
    def __init__(self, *answers: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.opened = 0
        self._answers = list(answers)

    async def open(self) -> "FakeQueue":
        self.opened += 1
        await asyncio.sleep(0)
        return self

    async def send_message(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  # as the client
        self.sent.append(arguments)
        return self._answers.pop(0) if self._answers else {"MessageId": "m"}


def a_record(**attributes: str) -> QueueRecord:
    given = {name: {"dataType": "String", "stringValue": value} for name, value in attributes.items()}
    record = {"body": "the body", "messageAttributes": {**given, "raw": {"dataType": "Binary"}}}
    return QueueRecord(message_id="m", receive_count=3, record=record)


def texts(sent: dict[str, Any]) -> dict[str, str]:
    attributes = sent["MessageAttributes"]
    # As the service wants them; it refuses any other name or type.
    assert all(value == {"DataType": "String", "StringValue": value["StringValue"]} for value in attributes.values())
    return {name: value["StringValue"] for name, value in attributes.items()}


async def test_a_dead_letter_is_the_message_with_the_reason_beside_it() -> None:
    queue = FakeQueue()
    dead_letters = QueueDeadLetters(queue_url="q", open_client=queue.open)
    await dead_letters.send(a_record(traceparent="t"), reason="malformed", detail="not\x00 JSON")
    (sent,) = queue.sent
    assert (sent["QueueUrl"], sent["MessageBody"]) == ("q", "the body")
    assert texts(sent) == {
        "traceparent": "t",
        "dead_letter_reason": "malformed",
        "dead_letter_detail": "not  JSON",
        "dead_letter_receives": "3",
    }


async def test_a_message_never_has_more_than_ten_attributes_or_an_empty_one() -> None:
    queue = FakeQueue()
    dead_letters = QueueDeadLetters(queue_url="q", open_client=queue.open)
    await dead_letters.send(a_record(**{f"a{n}": "x" for n in range(12)}), reason="r", detail="")
    assert len(queue.sent[0]["MessageAttributes"]) == 10
    assert texts(queue.sent[0])["dead_letter_detail"] == "none"


async def test_the_client_is_opened_with_the_first_dead_letter_and_kept() -> None:
    queue = FakeQueue()
    dead_letters = QueueDeadLetters(queue_url="q", open_client=queue.open)
    assert queue.opened == 0
    await dead_letters.send(a_record(), reason="r", detail="d")
    await dead_letters.send(a_record(), reason="r", detail="d")
    assert (queue.opened, len(queue.sent)) == (1, 2)


async def test_the_first_dead_letters_of_a_batch_open_one_client_together() -> None:
    queue = FakeQueue()
    dead_letters = QueueDeadLetters(queue_url="q", open_client=queue.open)
    await asyncio.gather(*(dead_letters.send(a_record(), reason="r", detail="d") for _ in range(3)))
    assert (queue.opened, len(queue.sent)) == (1, 3)


@pytest.mark.parametrize("answer", [{}, {"MessageId": ""}, {"message": "<html>welcome</html>"}], ids=repr)
async def test_a_dead_letter_is_kept_only_when_the_queue_names_it(answer: dict[str, Any]) -> None:
    dead_letters = QueueDeadLetters(queue_url="q", open_client=FakeQueue(answer).open)
    with pytest.raises(QueueUnavailableError) as caught:
        await dead_letters.send(a_record(), reason="r", detail="d")
    assert caught.value.reason == "garbled"
