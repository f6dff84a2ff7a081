"""The worlds that are searched, each small."""

from libs.flashpay.tests.model.rules import World

QUEUED = World(name="an order in the queue, and nowhere else")
KEYED = World(name="an order with a key, which may be declined", keyed=True, declines=True)
WAITING = World(name="an order that is settled in a request", waiting=True, declines=True)
WORLDS = (QUEUED, KEYED, WAITING)

# `python -m libs.flashpay.tests.model` searches them.
WIDE_WORLDS = (
    World(name="two requests without an answer", late=2, declines=True),
    World(name="three requests without an answer", late=3),
)
