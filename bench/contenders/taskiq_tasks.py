"""A peer of row 7: taskiq with its SQS broker, ten messages a receive, run by `taskiq worker`.

As a program it prints a message that its worker understands.
"""

import asyncio
import os

from taskiq import BrokerMessage  # type: ignore[import-not-found]
from taskiq_aio_sqs import SQSBroker  # type: ignore[import-not-found]

broker = SQSBroker(
    "orders",
    endpoint_url=os.environ.get("AWS_ENDPOINT_URL"),
    wait_time_seconds=20,
    max_number_of_messages=10,
    visibility_timeout=60,
)


@broker.task(task_name="pay")  # type: ignore[untyped-decorator]
async def pay(order_id: str) -> str:
    """Take as long as a payment."""
    await asyncio.sleep(0.1)
    return order_id


def message() -> str:
    """The body of a message that asks for one payment."""
    asked = pay.kicker().with_task_id("0" * 32)._prepare_message("ord_1")  # noqa: SLF001 - what `kiq` sends, unsent
    found: BrokerMessage = broker.formatter.dumps(asked)
    return str(found.message.decode())


if __name__ == "__main__":
    print(message())  # noqa: T201 - read by who started it
