"""A peer of row 7: dramatiq with its SQS broker, run by `dramatiq` with a thread for each slot.

As a program it prints a message that its worker understands.
"""

import os
import time
from base64 import b64encode

import dramatiq  # type: ignore[import-not-found]
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]

broker = SQSBroker(endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), region_name="us-east-1")
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="orders")  # type: ignore[untyped-decorator]
def pay(_order_id: str) -> None:
    """Take as long as a payment."""
    time.sleep(0.1)


if __name__ == "__main__":
    print(b64encode(pay.message("ord_1").encode()).decode())  # noqa: T201 - read by who started it
