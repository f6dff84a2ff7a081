"""A peer of row 7: celery over SQS, run by `celery worker` with its gevent pool, as celery advises for waiting.

As a program it prints a message that its worker understands.
"""

import base64
import json
import os
import time

from celery import Celery  # type: ignore[import-not-found]

app = Celery("bench", broker="sqs://bench:bench@")
app.conf.update(
    task_default_queue="orders",
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_transport_options={
        "region": "us-east-1",
        "predefined_queues": {"orders": {"url": os.environ.get("QUEUE_URL", "http://127.0.0.1/0/orders")}},
        "wait_time_seconds": 20,
        "polling_interval": 0,
    },
)


@app.task(name="pay")  # type: ignore[untyped-decorator]
def pay(order_id: str) -> str:
    """Take as long as a payment."""
    time.sleep(0.1)
    return order_id


def message() -> str:
    """The body of a message that asks for one payment, as kombu writes it."""
    task = base64.b64encode(json.dumps([["ord_1"], {}, {}]).encode()).decode()
    document = {
        "body": task,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "pay", "id": "0" * 32, "root_id": "0" * 32, "retries": 0},
        "properties": {
            "correlation_id": "0" * 32,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "orders"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "0" * 32,
        },
    }
    return base64.b64encode(json.dumps(document).encode()).decode()


if __name__ == "__main__":
    print(message())  # noqa: T201 - read by who started it
