"""What tests of the API use: fakes of the outside world, and the real server over a real socket."""

from order_api.testing.fakes import FakeProducts, FakeTopic
from order_api.testing.shop import PEN, PHONE, SECRET, Answer, Shop, environment, exchange, read_answer, running_shop
from order_api.testing.waiting import wait_until

__all__ = [
    "PEN",
    "PHONE",
    "SECRET",
    "Answer",
    "FakeProducts",
    "FakeTopic",
    "Shop",
    "environment",
    "exchange",
    "read_answer",
    "running_shop",
    "wait_until",
]
