"""The worlds that are searched: each small, and all of them large enough for the faults of the unsafe variants."""

from dataclasses import replace

from libs.flashstock.tests.model.rules import World

ONE_ORDER = World(name="one order, anything may happen", total=1, places=(0,), orders=(0,), late=2, declines=True)
LAST_UNIT = World(
    name="the last unit, wanted at two processes", total=1, places=(0, 1), orders=(0, 1), late=0, unanswered=()
)
IDLE_UNIT = World(
    name="one order, an idle unit", total=2, places=(0,), orders=(0,), unanswered=("lease", "closing"), refusals=False
)
ONE_SLOT = World(
    name="two orders of one process, one slot",
    total=2,
    places=(0, 0),
    orders=(0, 1),
    unanswered=("page", "publish"),
    leases=1,
    refusals=False,
)
TWO_SLOTS = World(
    name="two orders of one process, two slots",
    total=2,
    places=(0, 0),
    orders=(0, 1),
    slots=2,
    unanswered=("page",),
    leases=1,
    refusals=False,
)
SAME_KEY = World(
    name="a repeated key, two reservations of one order",
    total=2,
    places=(0, 0),
    orders=(0, 0),
    late=0,
    leases=1,
    declines=True,
)
AGAIN = World(
    name="a lease taken, given back and taken again",
    total=1,
    places=(0,),
    orders=(0,),
    unanswered=("lease",),
    leases=5,
    refusals=False,
)
REOPENED = World(
    name="a process opens another session",
    total=1,
    places=(0, 0),
    orders=(0, 1),
    late=0,
    unanswered=(),
    leases=1,
    reopens=True,
    refusals=False,
)
FAILING = World(
    name="an order that fails and is redriven",
    total=1,
    places=(0, 0),
    orders=(0, 1),
    unanswered=("ending",),
    refusals=False,
    fails=True,
)
REOPENED_FIRST = replace(FAILING, name="an order that fails, is reopened and then claimed", reopens_first=True)
LATE_ANSWER = World(
    name="a failed order is paid after all",
    total=1,
    places=(0,),
    orders=(0,),
    unanswered=("ending",),
    refusals=False,
    fails=True,
    late_answers=True,
)
REPEATED = World(
    name="an order of the last unit is repeated at another process",
    total=1,
    places=(0, 1),
    orders=(0, 0),
    late=0,
    unanswered=("publish",),
    leases=1,
    refusals=False,
    repeats=True,
)

WORLDS = (
    ONE_ORDER,
    LAST_UNIT,
    IDLE_UNIT,
    ONE_SLOT,
    TWO_SLOTS,
    SAME_KEY,
    AGAIN,
    REOPENED,
    FAILING,
    REOPENED_FIRST,
    LATE_ANSWER,
    REPEATED,
)

# Too wide for a test: `python -m libs.flashstock.tests.model` takes some minutes for them.
WIDE_WORLDS = (
    World(name="the last unit at two processes, a write late", total=1, places=(0, 1), orders=(0, 1)),
    World(name="two orders of one process, two slots, a write late", total=2, places=(0, 0), orders=(0, 1), slots=2),
    World(
        name="a repeated key at two processes", total=2, places=(0, 1), orders=(0, 0), leases=1, declines=True, late=0
    ),
    replace(FAILING, name="redriven twice", redrives=2),
    replace(REOPENED_FIRST, name="redriven twice, reopened and then claimed", redrives=2),
)
